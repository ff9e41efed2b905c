"""The files that plots leave: a CSV and a picture each, and the list of ``dvc plots``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from faunashot.evaluation.plots import all_plots, plots_for

if TYPE_CHECKING:
    import pandas as pd

    from faunashot.evaluation.plots.base import DvcPlot

FOLDER = Path("plots")
"""Output of the evaluate stage: what plots draw, and their pictures."""

DVC_LIST = Path("dvcplots/dvc.yaml")
"""What ``dvc plots`` draws, beside ``dvc.yaml``, which so names no plot."""

HEAD = "# Written by the evaluate stage from the plots that declare it.\n"


def write_plots(tables: Mapping[str, pd.DataFrame], *, title: str) -> None:
    """Write ``plots/NAME.csv`` of each table, its picture beside it, and leave nothing else there.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By the name of the plot that draws it; one that no plot draws, or that has no rows, gets
        no picture.
    title : str
        Of what; stands in every picture.
    """
    FOLDER.mkdir(exist_ok=True)
    for stale in (*FOLDER.glob("*.csv"), *FOLDER.glob("*.png")):
        stale.unlink()
    plots = all_plots()
    for name, table in tables.items():
        table.to_csv(FOLDER / f"{name}.csv", index=False)
        if name in plots and len(table):
            plots[name].figure(table, title=title).savefig(FOLDER / f"{name}.png")


def pictures() -> list[tuple[str, Path]]:
    """What each picture shows, and its file, in order."""
    files = ((plot.title, FOLDER / f"{name}.png") for name, plot in all_plots().items())
    return [(shows, file) for shows, file in files if file.exists()]


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
