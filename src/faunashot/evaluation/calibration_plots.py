"""Figures of how far an answer can be trusted: its confidence, and what it takes for unknown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from sklearn.metrics import roc_curve

from faunashot.errors import ParameterError
from faunashot.evaluation.calibration import mean_gap
from faunashot.evaluation.plot_style import (
    COLOURS,
    GRID,
    INK,
    MUTED,
    head_line,
    need_columns,
    new_figure,
    plain,
)


def reliability_figure(
    reliability: pd.DataFrame, tempered: pd.DataFrame | None = None, *, title: str = ""
) -> Figure:
    """Accuracy against confidence, above the number of clips in every bin.

    Parameters
    ----------
    reliability : columns ``low, high, count, confidence, accuracy`` (`calibration.reliability`).
    tempered : the same clips after temperature scaling, drawn beside it.
    title : of what; the figure itself says what it shows.

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
        shows = f"{name}: calibration error {mean_gap(table):.3f}"
        head_line(axes, title if number == 0 else " " * bool(title), shows)
    panels[0, 0].set(ylabel="accuracy")
    panels[0, 0].legend(loc="best", frameon=False, labelcolor=INK, fontsize=9.5)
    panels[1, 0].set(ylabel="count")
    return figure


def rejection_figure(
    score: npt.ArrayLike, known: npt.ArrayLike, *, threshold: float, title: str = ""
) -> Figure:
    """How unknown known recordings and background score, and what a threshold makes of them.

    Parameters
    ----------
    score, known : as `rejection.rejection` takes them.
    threshold : of the model; what scores above it is answered as unknown.
    title : of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If there is not some of both kinds, or lengths differ.
    """
    scores, is_known = np.asarray(score, dtype=np.float64), np.asarray(known, dtype=bool)
    if scores.shape != is_known.shape or is_known.all() or not is_known.any():
        raise ParameterError("known: needs one for each score, some known and some background")
    kinds = {"one of the classes": scores[is_known], "background": scores[~is_known]}
    figure = new_figure(9.6, 4.6)
    axes, curve = figure.subplots(1, 2, width_ratios=(1.35, 1))
    bins = np.histogram_bin_edges(scores, bins=30)
    for (name, values), colour in zip(kinds.items(), COLOURS, strict=False):
        each = np.full(len(values), 1 / len(values))
        label = f"{name}, n = {len(values)}"
        axes.hist(values, bins, weights=each, color=colour, alpha=0.6, label=label)
    axes.axvline(threshold, color=INK, linewidth=1.5, linestyle=(0, (4, 3)), label="threshold")
    axes.set(xlabel="unknown score", ylabel="share of the recordings")
    axes.legend(loc="best", frameon=False, labelcolor=INK, fontsize=9.5)
    passed, alarms = ((values <= threshold).mean() for values in kinds.values())
    head_line(
        axes, title, f"{passed:.0%} of the known pass the threshold, {alarms:.0%} of background"
    )

    background, accepted, _ = roc_curve(is_known, -scores)
    curve.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    curve.plot(background, accepted, color=COLOURS[0], linewidth=1.9, clip_on=False, zorder=3)
    curve.plot(alarms, passed, marker="o", markersize=7, color=INK, clip_on=False, zorder=4)
    curve.set(xlim=(0, 1), ylim=(0, 1), xlabel="background that passes", ylabel="known that pass")
    curve.set_aspect("equal", anchor="N")
    auroc = float(np.trapezoid(accepted, background))
    head_line(curve, " " * bool(title), f"Any threshold: AUROC {auroc:.3f}")
    for panel in (axes, curve):
        plain(panel)
        panel.grid(color=GRID, linewidth=0.8)
    for axis in (axes.yaxis, curve.xaxis, curve.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def _reliability(axes: Axes, below: Axes, table: pd.DataFrame) -> None:
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
