"""The page that a person reads: figures, plots and what was found in the data, in one file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from faunashot.systems.card import FIGURES

CONDITIONS = {
    "equalised": "Of the {:.2f}, {:.2f} goes when the recorder is hidden",
    "target_only": "Of the {:.2f}, {:+.3f} is owed to the source corpus",
    "snr": "Of the {:.2f}, {:.2f} goes under noise at {} dB",
}
"""What each condition says, given macro-F1, the difference, and what its name has after `_`."""

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
    metrics: dict[str, Any],
    curve: pd.DataFrame,
    figures: Sequence[Figure],
    findings: Sequence[str],
    licence: str,
) -> str:
    """One HTML page that needs nothing beside itself.

    Parameters
    ----------
    metrics : as in ``metrics.json``.
    curve : columns k, runs, and figures with their intervals.
    findings : one line each, on the data.
    """
    rows = [
        [name, metrics[key], _interval(metrics, key), metrics["window"].get(key, "")]
        for key, name in FIGURES.items()
    ]
    k_values = [
        [row["k"], row["macro_f1"], _interval(row, "macro_f1"), row["accuracy"], row["runs"]]
        for row in curve.to_dict("records")
    ]
    parts = [
        f"<h1>{html.escape(title)}</h1><p class='lead'>{html.escape(lead)}</p>",
        "<h2>Figures</h2>",
        _table(["", "clips", "95 % interval", "windows"], rows),
        f"<p>{metrics['clips']} clips, {metrics['classes']} classes. Calibration error before "
        f"temperature scaling: {metrics['calibration_error_before']}.</p>",
        *_conditions(metrics),
        "<h2>Labelled clips a class</h2>",
        _table(["k", "macro-F1", "95 % interval", "accuracy", "runs"], k_values),
        *(f"<img alt='' src='data:image/png;base64,{_png(figure)}'>" for figure in figures),
        "<h2>The data</h2>",
        "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in findings) + "</ul>",
        f"<p>Licence of the backbone's weights: {html.escape(licence)}. "
        "Experiments side by side: <code>faunashot compare</code> or <code>mlflow ui</code>.</p>",
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _conditions(metrics: dict[str, Any]) -> list[str]:
    """The same clips under other conditions, and what leakage would have been worth."""
    lines = []
    for name, of in metrics.get("conditions", {}).items():
        kind, _, value = (name, "", "") if name in CONDITIONS else name.partition("_")
        lines.append(
            CONDITIONS[kind].format(metrics["macro_f1"], of["difference"], value)
            + f" (macro-F1 {of['macro_f1']}; difference {_interval(of, 'difference')}, "
            f"p = {of['p_value']})"
        )
    if leak := metrics.get("leak"):
        lines.append(
            f"Folds that do not keep source recordings and duplicates together would be worth "
            f"{leak['worth']:+.3f} ({_interval(leak, 'worth')}): macro-F1 {leak['leaking']} in "
            f"place of {leak['grouped']}, over folds made of all clips"
        )
    if unknown := metrics.get("unknown"):
        lines.append(
            f"Background is told from the classes at AUROC {unknown['auroc']} "
            f"({_interval(unknown, 'auroc')}); where 95 % of the clips pass, "
            f"{100 * unknown['false_alarms_at_recall']:.1f} % of the background does"
        )
    return ["<ul>" + "".join(f"<li>{html.escape(line)}.</li>" for line in lines) + "</ul>"] * bool(
        lines
    )


def _interval(row: dict[Any, Any], key: str) -> str:
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    return "none" if pd.isna(low) or pd.isna(high) else f"{low} to {high}"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    cells = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"


def _png(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return base64.b64encode(file.getvalue()).decode()
