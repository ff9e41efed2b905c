"""The page that a person reads: figures, plots and what was found in the data, in one file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faunashot.evaluation.metrics import HEADLINE, titles
from faunashot.wording import (
    DRAWS_ALONE,
    INTERVAL,
    decimals,
    interval,
    is_drawn,
    labelled,
    sentence,
)

if TYPE_CHECKING:
    import pandas as pd

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c2430; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.lead { color: #566172; margin-top: .2rem; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap;
         border-bottom: 1px solid #dde3ea; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; margin: .4rem 0; }
ul { padding-left: 1.2rem; } code { background: #f1f4f7; padding: .1rem .3rem; }
"""


def report_page(
    *,
    title: str,
    lead: str,
    figures: Mapping[str, Any],
    curve: pd.DataFrame,
    pictures: Sequence[tuple[str, Path]],
    sentences: Sequence[str],
    findings: Sequence[str],
    licence: str,
    throughput: Mapping[str, Any] | None = None,
) -> str:
    """One HTML page that needs nothing beside itself.

    Parameters
    ----------
    title, lead : str
        What was run, and how.
    figures : mapping
        As in ``reports/figures.json``.
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
    throughput : mapping, optional
        As in ``reports/throughput.json``.
    """
    before = figures.get("calibration_error_before")
    parts = [
        f"<h1>{html.escape(title)}</h1><p class='lead'>{html.escape(lead)}</p>",
        "<h2>Figures</h2>",
        _metrics(figures),
        f"<p>{sentence(drawn=is_drawn(figures, HEADLINE))}</p>",
        f"<p>{figures['clips']} clips, {figures['classes']} classes."
        + (
            ""
            if before is None
            else f" Calibration error before temperature scaling: {decimals(before)}."
        )
        + "</p>",
        *_list(f"{each}." for each in sentences),
        "<h2>Labelled clips a class</h2>",
        _curve(curve),
        *(_picture(shows, file) for shows, file in pictures),
        "<h2>Classes</h2>",
        _classes(figures["per_class"]),
        *_salience(figures.get("salience", {})),
        "<h2>The data</h2>",
        *_list(findings),
        *_throughput(throughput or {}),
        f"<p>Licence of the backbone's weights: {html.escape(licence)}. "
        "Experiments side by side: <code>faunashot compare</code> or <code>mlflow ui</code>.</p>",
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _metrics(figures: Mapping[str, Any]) -> str:
    """Every metric of clips with its intervals, and that of windows where there is one."""
    window = figures["window"]
    rows = [
        [
            *(title, decimals(figures[name]), *_intervals(figures, name)),
            decimals(window[name]) if name in window else "",
        ]
        for name, title in titles(figures).items()
    ]
    return _table(["", "clips", *_headings(is_drawn(figures, HEADLINE)), "windows"], rows)


def _curve(curve: pd.DataFrame) -> str:
    """Every metric at every k, the headline with its intervals."""
    rows = curve.astype(object).where(curve.notna(), None).to_dict("records")
    columns = titles(map(str, curve.columns))
    drawn = any(is_drawn(row, HEADLINE) for row in rows)
    others = [name for name in columns if name != HEADLINE]
    counted = {"labelled": labelled} if any(map(labelled, rows)) else {}
    head = ["k", *counted, columns[HEADLINE], *_headings(drawn)]
    return _table(
        [*head, *(columns[name] for name in others), "runs"],
        [
            [
                *(row["k"], *(count(row) for count in counted.values())),
                *(decimals(row[HEADLINE]), *_intervals(row, HEADLINE, drawn=drawn)),
                *(decimals(row[name]) for name in others),
                row["runs"],
            ]
            for row in rows
        ],
    )


def _classes(per_class: Mapping[str, Mapping[str, Any]]) -> str:
    ranked = any("average_precision" in of for of in per_class.values())
    of_scores = ["average_precision"] if ranked else []
    rows = [
        [
            *(label, *(decimals(of[name]) for name in ("precision", "recall", "f1"))),
            interval(of, "f1"),
            *(text for name in of_scores for text in (decimals(of[name]), interval(of, name))),
            of["support"],
        ]
        for label, of in per_class.items()
    ]
    ranking = [text for _ in of_scores for text in ("average precision", INTERVAL)]
    return _table(["", "precision", "recall", "F1", INTERVAL, *ranking, "clips"], rows)


def _salience(by_salience: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every metric of labels by how clips sound, the headline with its interval."""
    if not by_salience:
        return []
    of_first = titles(next(iter(by_salience.values())))
    others = [name for name in of_first if name != HEADLINE]
    rows = [
        [
            *(name, of["clips"], decimals(of[HEADLINE]), interval(of, HEADLINE)),
            *(decimals(of[metric]) for metric in others),
        ]
        for name, of in by_salience.items()
    ]
    head = ["", "clips", of_first[HEADLINE], INTERVAL, *(of_first[name] for name in others)]
    return ["<h2>Foreground and background</h2>", _table(head, rows)]


def _throughput(costs: Mapping[str, Any]) -> list[str]:
    """What the run took, where that was measured."""
    lines = [
        f"embedding by {name}: {rate:,.1f} windows a second"
        for name, rate in costs.get("windows_per_s", {}).items()
    ]
    if (seconds := costs.get("training_s")) is not None:
        lines.append(f"learning and scoring: {seconds:,.1f} s")
    for stage, peak in costs.get("peak_memory_mb", {}).items():
        lines.append(f"peak memory of the stage {stage}: {peak:,} MB")
    if (parameters := costs.get("parameters")) is not None:
        lines.append(f"parameters of the network: {parameters:,}")
    return ["<h2>What it took</h2>", *_list(lines)] if lines else []


def _headings(drawn: bool) -> list[str]:
    return [INTERVAL, DRAWS_ALONE] if drawn else [INTERVAL]


def _intervals(figures: Mapping[Any, Any], name: str, *, drawn: bool | None = None) -> list[str]:
    """Both intervals of a figure, or one where nothing is drawn."""
    both = is_drawn(figures, name) if drawn is None else drawn
    return [interval(figures, name, draws=kind) for kind in ([False, True] if both else [False])]


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
