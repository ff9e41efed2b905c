"""The files that plots leave: a CSV each, and the list that ``dvc plots`` draws them by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from faunashot.evaluation.plots import all_plots, plots_for

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faunashot.evaluation.plots.base import DvcPlot

FOLDER = Path("plots")
"""Output of the evaluate stage: what plots draw."""

DVC_LIST = Path("dvcplots/dvc.yaml")
"""What ``dvc plots`` draws, beside ``dvc.yaml``, which so names no plot."""

HEAD = "# Written by the evaluate stage from the plots that declare it.\n"


def write_tables(tables: Mapping[str, pd.DataFrame]) -> None:
    """Write ``plots/NAME.csv`` of each table, and leave no other CSV there."""
    FOLDER.mkdir(exist_ok=True)
    for stale in FOLDER.glob("*.csv"):
        stale.unlink()
    for name, table in tables.items():
        table.to_csv(FOLDER / f"{name}.csv", index=False)


def read_figures() -> list[Figure]:
    """Draw every plot of which there is a ``plots/NAME.csv`` with rows, in order."""
    figures = []
    for name, plot in all_plots().items():
        file = FOLDER / f"{name}.csv"
        if file.exists():
            # a class may well be called "None" or "NA"
            table = pd.read_csv(file, keep_default_na=False, na_values=[""])
            if len(table):
                figures.append(plot.figure(table))
    return figures


def write_dvc_list(*, multi_label: bool) -> None:
    """Write the list of what ``dvc plots`` draws of the CSVs that are there."""
    listed = [
        {plot.title: definition}
        for name, plot in plots_for(multi_label=multi_label).items()
        if plot.dvc and (definition := _definition(name, plot.dvc))
    ]
    text = HEAD + yaml.safe_dump({"plots": listed}, sort_keys=False, allow_unicode=True)
    DVC_LIST.parent.mkdir(exist_ok=True)
    if not DVC_LIST.exists() or DVC_LIST.read_text("utf-8") != text:
        DVC_LIST.write_text(text, "utf-8")


def _definition(name: str, drawn: DvcPlot) -> dict[str, Any]:
    """A plot as ``dvc.yaml`` has it; empty where its CSV is not there."""
    file = Path(drawn.file or FOLDER / f"{name}.csv")
    if not file.exists():
        return {}
    up = Path(*[".."] * len(DVC_LIST.parent.parts))
    return {
        "template": drawn.template,
        "x": drawn.x,
        "y": {(up / file).as_posix(): drawn.y},
        "x_label": drawn.x_label or drawn.x,
        "y_label": drawn.y_label or drawn.y,
    }
