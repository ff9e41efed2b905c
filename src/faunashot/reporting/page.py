"""The page that a person reads: figures, plots and what was found in the data, in one file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faunashot.evaluation.metrics import HEADLINE, titles
from faunashot.reporting.findings import ends

if TYPE_CHECKING:
    import pandas as pd

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c2430; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.lead { color: #566172; margin-top: .2rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #dde3ea; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; margin: .4rem 0; }
ul { padding-left: 1.2rem; } code { background: #f1f4f7; padding: .1rem .3rem; }
"""


def report_page(
    *,
    title: str,
    lead: str,
    metrics: Mapping[str, Any],
    curve: pd.DataFrame,
    pictures: Sequence[tuple[str, Path]],
    sentences: Sequence[str],
    findings: Sequence[str],
    licence: str,
) -> str:
    """One HTML page that needs nothing beside itself.

    Parameters
    ----------
    title, lead : str
        What was run, and how.
    metrics : mapping
        As in ``metrics.json``.
    curve : DataFrame
        Columns k, runs, and metrics with their intervals.
    pictures : sequence of (str, Path)
        Plots of the run: what each shows, and its PNG.
    sentences : sequence of str
        On the figures: one for each condition, and what else there is to say, without a full stop.
    findings : sequence of str
        On the data, one line each.
    licence : str
        Of the backbones' weights.
    """
    before = metrics.get("calibration_error_before")
    parts = [
        f"<h1>{html.escape(title)}</h1><p class='lead'>{html.escape(lead)}</p>",
        "<h2>Figures</h2>",
        _metrics(metrics),
        f"<p>{metrics['clips']} clips, {metrics['classes']} classes."
        + ("" if before is None else f" Calibration error before temperature scaling: {before}.")
        + "</p>",
        *_list(f"{sentence}." for sentence in sentences),
        "<h2>Labelled clips a class</h2>",
        _curve(curve),
        *(_picture(shows, file) for shows, file in pictures),
        "<h2>Classes</h2>",
        _classes(metrics["per_class"]),
        "<h2>The data</h2>",
        *_list(findings),
        f"<p>Licence of the backbone's weights: {html.escape(licence)}. "
        "Experiments side by side: <code>faunashot compare</code> or <code>mlflow ui</code>.</p>",
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _metrics(metrics: Mapping[str, Any]) -> str:
    """Every metric of clips with its interval, and that of windows where there is one."""
    rows = [
        [title, _shown(metrics[name]), ends(metrics, name), metrics["window"].get(name, "")]
        for name, title in titles(metrics).items()
    ]
    return _table(["", "clips", "95 % interval", "windows"], rows)


def _curve(curve: pd.DataFrame) -> str:
    """Every metric at every k, the headline with its interval."""
    rows = curve.astype(object).where(curve.notna(), None).to_dict("records")
    columns = titles(map(str, curve.columns))
    head = ["k", columns[HEADLINE], "95 % interval"]
    others = [name for name in columns if name != HEADLINE]
    return _table(
        [*head, *(columns[name] for name in others), "runs"],
        [
            [
                *(row["k"], _shown(row[HEADLINE]), ends(row, HEADLINE)),
                *(_shown(row[name]) for name in others),
                row["runs"],
            ]
            for row in rows
        ],
    )


def _classes(per_class: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [label, of["precision"], of["recall"], of["f1"], ends(of, "f1"), of["support"]]
        for label, of in per_class.items()
    ]
    return _table(["", "precision", "recall", "F1", "95 % interval", "clips"], rows)


def _shown(value: Any) -> Any:
    return "none" if value is None else value


def _list(lines: Iterable[str]) -> list[str]:
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return [f"<ul>{items}</ul>"] if items else []


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def _picture(shows: str, file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f"<img alt='{html.escape(shows)}' src='data:image/png;base64,{data}'>"
