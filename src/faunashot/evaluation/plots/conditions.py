"""How much macro-F1 goes under each further condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from faunashot.evaluation.plot_style import (
    COLOURS,
    INK,
    LEGEND,
    MARKERS,
    head_line,
    named_rows,
    need_columns,
    one_panel,
)
from faunashot.evaluation.plots.base import Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faunashot.evaluation.summary import Summary


class Conditions(Plot):
    """The run itself less the same clips under other conditions, where there are any."""

    title = "Macro-F1 that goes under each condition"
    order = 60

    def table(self, summary: Summary) -> pd.DataFrame | None:
        """One row a condition and k."""
        return None if summary.conditions.empty else summary.conditions

    def figure(self, table: pd.DataFrame, *, title: str = "") -> Figure:
        """See `conditions_figure`."""
        return conditions_figure(table, title=title)


def conditions_figure(conditions: pd.DataFrame, *, title: str = "") -> Figure:
    """Difference in macro-F1 from each condition as a point with its interval, a row each.

    Parameters
    ----------
    conditions : DataFrame
        Columns ``condition, k, difference, difference_low, difference_high``; the ends of the
        interval may be missing. What a condition has of the same k comes in one colour.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    ends = ["difference_low", "difference_high"]
    need_columns(conditions, "conditions", ("condition", "k", "difference", *ends))
    table = conditions.reset_index(drop=True)
    table[["difference", *ends]] = table[["difference", *ends]].astype(float)
    names = list(dict.fromkeys(table["condition"].astype(str)))
    ks = sorted(set(table["k"]))
    step = min(0.7 / len(ks), 0.2)
    figure, axes = one_panel(7.6, 1.8 + max(0.36, 0.2 * len(ks)) * max(len(names), 3))
    axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
    for number, k in enumerate(ks):
        part = table[table["k"] == k]
        at = part["condition"].astype(str).map(names.index)
        at = at + (number - (len(ks) - 1) / 2) * step
        colour = COLOURS[number % len(COLOURS)]
        known = part[ends].notna().all(axis=1)
        axes.hlines(at[known], *part.loc[known, ends].to_numpy().T, color=colour, linewidth=1.6)
        axes.plot(
            part["difference"],
            at,
            linestyle="",
            marker=MARKERS[number % len(MARKERS)],
            markersize=6,
            color=colour,
            markeredgecolor="white",
            label=f"k = {k}",
        )
    named_rows(axes, names, "macro-F1 of the run less that under the condition")
    if len(ks) > 1:
        columns = min(len(ks), 6)
        figure.legend(loc="outside lower center", ncols=columns, **LEGEND)
    interval = ", with the 95 % interval" if table[ends].notna().any(axis=None) else ""
    head_line(axes, title, f"Macro-F1 that goes under each condition{interval}")
    return figure
