"""``faunashot compare``."""

from __future__ import annotations

from collections.abc import Hashable
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer
from faunashot.errors import TrackingError


def compare(
    only: Annotated[
        str, typer.Option(help="Experiments of this name; * stands for anything.", metavar="NAME")
    ] = "*",
    plot: Annotated[
        Path | None, typer.Option(help="Draw macro-F1 against k of all of them to this PNG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print one row an experiment, newest first."""
    from faunashot.tracking import comparison, store

    table = comparison.compare(store.root())
    table = table[table["name"].map(lambda name: fnmatch(name, only)).astype(bool)]
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    answer([_row(row, whole=as_json) for row in rows], as_json=as_json)
    if plot:
        from faunashot.evaluation.plots import curve_figure

        curves = comparison.curves(store.root())
        curves = curves[curves["system"].map(lambda name: fnmatch(name, only)).astype(bool)]
        if curves.empty:
            raise TrackingError("no experiment here has a curve over k: run few_shot first")
        curve_figure(curves).savefig(plot)


def _row(row: dict[Hashable, Any], *, whole: bool) -> dict[str, Any]:
    """The row for a program, or what fits a person's screen."""
    if whole:
        return {str(key): value for key, value in row.items()}
    low, high = row["macro_f1_low"], row["macro_f1_high"]
    return {
        "experiment": row["name"],
        "corpus": row["corpus"],
        "system": f"{row['backbone']}-{row['system']}",
        "protocol": row["protocol"],
        "k": row["k"],
        "macro-F1": row["macro_f1"],
        "interval": None if low is None else f"{low} to {high}",
    }
