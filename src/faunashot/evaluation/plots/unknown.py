"""How well recordings of none of the classes are told from those of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.plot_style import (
    COLOURS,
    GRID,
    INK,
    LEGEND,
    MUTED,
    head_line,
    new_figure,
    plain,
)
from faunashot.evaluation.plots.base import Plot
from faunashot.wording import decimals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faunashot.evaluation.summary import Summary


class Unknown(Plot):
    """How unknown recordings of the classes and of background score, where background was."""

    title = "Unknown score of classes and background"
    order = 50

    def table(self, summary: Summary) -> pd.DataFrame | None:
        """One row a recording: its score less the model's threshold, and whether it is known."""
        return None if summary.unknown is None else summary.unknown[["score", "known"]]

    def figure(self, table: pd.DataFrame, *, title: str = "") -> Figure:
        """See `rejection_figure`."""
        return rejection_figure(table["score"], table["known"], threshold=0.0, title=title)


def rejection_figure(
    score: npt.ArrayLike, known: npt.ArrayLike, *, threshold: float, title: str = ""
) -> Figure:
    """How unknown known recordings and background score, and what a threshold makes of them.

    Parameters
    ----------
    score, known : array_like, shape (N,)
        As `rejection.rejection` takes them.
    threshold : float
        Of the model; what scores above it is answered as unknown.
    title : str
        Of what; the figure itself says what it shows.

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
    axes.legend(loc="best", **LEGEND)
    passed, alarms = ((values <= threshold).mean() for values in kinds.values())
    head_line(
        axes, title, f"{passed:.0%} of the known pass the threshold, {alarms:.0%} of background"
    )

    from matplotlib.ticker import PercentFormatter
    from sklearn.metrics import roc_curve

    background, accepted, _ = roc_curve(is_known, -scores)
    curve.plot([0, 1], [0, 1], color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    curve.plot(background, accepted, color=COLOURS[0], linewidth=1.9, clip_on=False, zorder=3)
    curve.plot(alarms, passed, marker="o", markersize=7, color=INK, clip_on=False, zorder=4)
    curve.set(xlim=(0, 1), ylim=(0, 1), xlabel="background that passes", ylabel="known that pass")
    curve.set_aspect("equal", anchor="N")
    auroc = float(np.trapezoid(accepted, background))
    head_line(curve, " " * bool(title), f"Any threshold: AUROC {decimals(auroc)}")
    for panel in (axes, curve):
        plain(panel)
        panel.grid(color=GRID, linewidth=0.8)
    for axis in (axes.yaxis, curve.xaxis, curve.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure
