"""Average precision of every class against how many clips are of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faunashot.evaluation.plot_style import (
    COLOURS,
    GRID,
    INK,
    LEGEND,
    MARKERS,
    MUTED,
    head_line,
    need_columns,
    one_panel,
)
from faunashot.evaluation.plots.base import DvcPlot, Plot
from faunashot.evaluation.scored import OF_SCORES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faunashot.evaluation.summary import Summary

APART = 1.03
"""By what the systems' points of a class are apart, so that no interval hides another."""

COLUMNS = ("label", "clips", OF_SCORES)


class ClassEffect(Plot):
    """Whether classes of many clips are told better than those of few, or some are harder."""

    title = "Average precision by clips of the class"
    single_label = False
    order = 35
    dvc = DvcPlot(
        template="scatter",
        x="clips",
        y=OF_SCORES,
        x_label="clips of the class",
        y_label="average precision",
    )

    def table(self, summary: Summary) -> pd.DataFrame:
        """One row a class that occurs."""
        found = summary.per_class.rename(columns={"support": "clips"})
        kept = [*COLUMNS, f"{OF_SCORES}_low", f"{OF_SCORES}_high"]
        return found.loc[found["clips"] > 0, kept]

    def figure(self, table: pd.DataFrame, *, title: str = "") -> Figure:
        """See `class_effect_figure`."""
        return class_effect_figure(table, title=title)


def class_effect_figure(table: pd.DataFrame, *, title: str = "") -> Figure:
    """Average precision of every class, with its interval, against how many clips are of it.

    Parameters
    ----------
    table : DataFrame
        Columns label, clips, average_precision, and optionally average_precision_low and _high,
        and system: then each system has its own colour, and a line joins what they make of a class.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    need_columns(table, "class_effect", COLUMNS)
    given = table if "system" in table else table.assign(system="")
    figure, axes = one_panel(8.4, 5.2)
    for label, of in given.groupby("label", sort=False):
        values = of[OF_SCORES]
        across = of["clips"] * APART ** np.arange(len(of))
        axes.plot(across, values, color=MUTED, linewidth=0.8, zorder=1)
        axes.annotate(
            str(label),
            (of["clips"].iloc[0], values.max()),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )
    for number, (system, of) in enumerate(given.groupby("system", sort=False)):
        colour = COLOURS[number % len(COLOURS)]
        clips = of["clips"] * APART**number
        if f"{OF_SCORES}_low" in of:
            ends = (of[f"{OF_SCORES}_low"], of[f"{OF_SCORES}_high"])
            axes.vlines(clips, *ends, color=colour, alpha=0.35, linewidth=1.5, zorder=2)
        marker = MARKERS[number % len(MARKERS)]
        axes.scatter(clips, of[OF_SCORES], color=colour, marker=marker, label=system, zorder=3)
    axes.set(xscale="log", xlabel="clips of the class, of those scored", ylim=(0, 1.08))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda clips, _: f"{clips:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("average precision")
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    if "system" in table:
        axes.legend(**LEGEND, loc="lower right")
    head_line(axes, title, "Average precision of each class, and its interval, by its clips")
    return figure
