"""Accuracy against confidence, before and after temperature scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from faunashot.evaluation.calibration import expected_calibration_error
from faunashot.evaluation.plot_style import (
    COLOURS,
    GRID,
    LEGEND,
    MUTED,
    head_line,
    need_columns,
    new_figure,
    plain,
)
from faunashot.evaluation.plots.base import Plot
from faunashot.wording import decimals

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from faunashot.evaluation.summary import Summary


class Calibration(Plot):
    """How far a confidence can be trusted, at the headline k."""

    title = "Accuracy against confidence"
    multi_label = False
    order = 40

    def table(self, summary: Summary) -> pd.DataFrame | None:
        """One row a bin; ``temperature`` says whether before or after scaling."""
        return summary.calibration

    def figure(self, table: pd.DataFrame, *, title: str = "") -> Figure:
        """See `reliability_figure`."""
        before, after = (table[table["temperature"] == name] for name in ("before", "after"))
        return reliability_figure(before, after, title=title)


def reliability_figure(
    reliability: pd.DataFrame, tempered: pd.DataFrame | None = None, *, title: str = ""
) -> Figure:
    """Accuracy against confidence, above the number of clips in every bin.

    Parameters
    ----------
    reliability : DataFrame
        Columns ``low, high, count, confidence, accuracy`` (`calibration.reliability`).
    tempered : DataFrame
        The same clips after temperature scaling, drawn beside it.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    tables = {"Reliability": reliability}
    if tempered is not None:
        tables = {"Before temperature scaling": reliability, "After": tempered}
    for table in tables.values():
        need_columns(table, "reliability", ("low", "high", "count", "confidence", "accuracy"))
    figure = new_figure(5.4 + 4.2 * (len(tables) - 1), 6.2)
    panels = figure.subplots(
        2, len(tables), sharex=True, sharey="row", height_ratios=(3.4, 1), squeeze=False
    )
    for number, ((name, table), (axes, below)) in enumerate(
        zip(tables.items(), panels.T, strict=True)
    ):
        _reliability(axes, below, table)
        shows = f"{name}: calibration error {decimals(expected_calibration_error(table))}"
        head_line(axes, title if number == 0 else " " * bool(title), shows)
    panels[0, 0].set(ylabel="accuracy")
    panels[0, 0].legend(loc="best", **LEGEND)
    panels[1, 0].set(ylabel="count")
    return figure


def _reliability(axes: Axes, below: Axes, table: pd.DataFrame) -> None:
    from matplotlib.ticker import MaxNLocator

    filled = table[table["count"] > 0]
    confidence, accuracy = filled["confidence"], filled["accuracy"]
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)), label="calibrated")
    axes.vlines(
        confidence, confidence, accuracy, color=COLOURS[1], linewidth=2.2, alpha=0.75, label="gap"
    )
    axes.plot(
        confidence,
        accuracy,
        color=COLOURS[0],
        marker="o",
        markersize=6,
        markeredgecolor="white",
        linewidth=1.9,
        label="measured",
        clip_on=False,
        zorder=3,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1))
    centre = (table["low"] + table["high"]) / 2
    width = (table["high"] - table["low"]) * 0.9
    below.bar(centre, table["count"], width=width, color=COLOURS[0], alpha=0.75)
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.set(xlabel="confidence")
    for panel in (axes, below):
        plain(panel)
        panel.grid(color=GRID, linewidth=0.8)
