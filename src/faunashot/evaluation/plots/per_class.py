"""F1 of every class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from faunashot.evaluation.plot_style import (
    COLOURS,
    INK,
    MUTED,
    class_names,
    head_line,
    named_rows,
    need_columns,
    one_panel,
)
from faunashot.evaluation.plots.base import DvcPlot, Plot
from faunashot.wording import decimals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faunashot.evaluation.summary import Summary


class PerClass(Plot):
    """Which classes are told apart well, and which are not, at the headline k."""

    title = "F1 by class"
    order = 30
    dvc = DvcPlot(
        template="bar_horizontal_sorted", x="f1", y="label", x_label="F1", y_label="class"
    )

    def table(self, summary: Summary) -> pd.DataFrame:
        """One row a class."""
        return summary.per_class

    def figure(self, table: pd.DataFrame, *, title: str = "") -> Figure:
        """See `per_class_figure`."""
        return per_class_figure(table, title=title)


def per_class_figure(per_class: pd.DataFrame, *, title: str = "") -> Figure:
    """F1 of every class as a bar, best on top, its support beside it.

    Parameters
    ----------
    per_class : DataFrame
        Columns ``label, f1, support``. A class with support 0 comes
        last, has no bar, and no part in the macro-F1 that the dashed line marks.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    need_columns(per_class, "per_class", ("label", "f1", "support"))
    scored = per_class["support"] > 0
    table = per_class.assign(scored=scored).sort_values(
        ["scored", "f1", "label"], ascending=[False, False, True]
    )
    n = len(table)
    names, room_in = class_names(table["label"], fontsize=9)
    figure, axes = one_panel(6.8 + room_in, 1.5 + 0.24 * max(n, 6))
    rows = range(n)
    axes.barh(rows, table["f1"].where(table["scored"], 0), height=0.68, color=COLOURS[0])
    for row, f1, support in zip(rows, table["f1"], table["support"], strict=True):
        for text, right_pt, colour in (
            (decimals(f1) if support else "none", 10, INK),
            (f"n = {support}", 50, MUTED),
        ):
            axes.annotate(
                text,
                (1, row),
                xytext=(right_pt, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
                color=colour,
            )
    shows = "F1 and support (n) of each class"
    if scored.any():
        macro = float(per_class.loc[scored, "f1"].mean())
        axes.axvline(macro, color=COLOURS[1], linewidth=1.5, linestyle=(0, (4, 3)), zorder=3)
        shows += f"; dashed: macro-F1 {decimals(macro)}"
    axes.set_xlim(0, 1)
    named_rows(axes, names, "F1", fontsize=9)
    head_line(axes, title, shows)
    return figure
