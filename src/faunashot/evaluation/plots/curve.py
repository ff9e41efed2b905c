"""Macro-F1 against the number of labelled clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    new_figure,
    one_panel,
    plain,
)
from faunashot.evaluation.plots.base import DvcPlot, Plot
from faunashot.wording import labelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from faunashot.evaluation.summary import Summary


DRAWS = ("macro_f1_draws_low", "macro_f1_draws_high")


class Curve(Plot):
    """How macro-F1 grows with labelled clips, where several k were scored."""

    title = "Macro-F1 against k"
    order = 10
    dvc = DvcPlot(
        template="score",  # .dvc/plots: its axis is from 0 to 1
        x="k",
        y="macro_f1",
        x_label="labelled clips a class",
        y_label="macro-F1",
        file="curve.csv",
    )

    def table(self, summary: Summary) -> pd.DataFrame | None:
        """One row a k."""
        return summary.curve if len(summary.curve) > 1 else None

    def figure(self, table: pd.DataFrame, *, title: str = "") -> Figure:
        """See `curve_figure`."""
        return curve_figure(table, title=title)


def curve_figure(curve: pd.DataFrame, *, title: str = "") -> Figure:
    """Macro-F1 against labelled clips per class, with its interval.

    Parameters
    ----------
    curve : DataFrame
        Columns ``k, macro_f1, macro_f1_low, macro_f1_high``, ``system`` where there are
        several lines, and ``panel`` where they are shared out. k >= 0, 0 being zero-shot; the
        ends of the interval may be missing, where there is one recording. Of a single line
        ``macro_f1_draws_low`` and ``macro_f1_draws_high`` are drawn too, darker, and
        ``labelled_least`` and ``labelled_most`` beside points whose classes had fewer labelled
        clips than k.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    need_columns(curve, "curve", ("k", "macro_f1", "macro_f1_low", "macro_f1_high"))
    interval = ", with the 95 % interval" if curve["macro_f1_low"].notna().any() else ""
    shows = f"Macro-F1 by number of labelled clips{interval}"
    if "panel" in curve:
        return _curve_panels(curve, title or shows)
    parts = _systems(curve)
    if len(parts) == 1 and set(DRAWS) <= set(curve) and curve[list(DRAWS)].notna().any(axis=None):
        shows += "; darker: draws alone"
    figure, axes = one_panel(8.8 if len(parts) > 1 else 6.8, 4.6)
    _curves(axes, parts, list(parts))
    if len(parts) == 1:
        (part,) = parts.values()
        _band(axes, part, DRAWS, COLOURS[0], alpha=0.22)
        _labelled(axes, part)
    if len(parts) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, **LEGEND)
    head_line(axes, title, shows)
    return figure


def _curve_panels(curve: pd.DataFrame, title: str) -> Figure:
    """A panel for each value of the column, its systems in the same colours in all of them."""
    panels = dict(list(curve.groupby("panel", sort=False)))
    names = list(_systems(curve))
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    longest = max(len(name) for name in names)
    legend_columns = max(1, min(len(names), 60 * columns // (longest + 9)))
    legend_rows = -(-len(names) // legend_columns)
    figure = new_figure(4.6 * columns, 3.4 * rows + 0.4 + 0.2 * legend_rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (name, part) in zip(grid.flat, panels.items(), strict=False):
        plain(axes)
        _curves(axes, _systems(part), names)
        head_line(axes, "", str(name))
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.lines}
    figure.legend(
        [lines[name] for name in names],
        names,
        loc="outside lower center",
        ncols=legend_columns,
        **LEGEND,
    )
    figure.suptitle(title, fontsize=11.5, fontweight="bold", color=INK)
    return figure


def _curves(axes: Axes, parts: dict[str, pd.DataFrame], names: list[str]) -> None:
    """A line a system, in the colour of its place among `names`."""
    for system, part in parts.items():
        number = names.index(system)
        colour = COLOURS[number % len(COLOURS)]
        _band(axes, part, ("macro_f1_low", "macro_f1_high"), colour, alpha=0.16)
        axes.plot(
            part["k"],
            part["macro_f1"],
            color=colour,
            marker=MARKERS[number % len(MARKERS)],
            linestyle="-" if number < len(COLOURS) else "--",
            markersize=5.5,
            markeredgecolor="white",
            markeredgewidth=0.7,
            linewidth=1.9,
            label=system,
            clip_on=False,
            zorder=3,
        )
    _k_axis(axes, np.unique(np.concatenate([part["k"].astype(float) for part in parts.values()])))
    axes.set(ylim=(0, 1), xlabel="labelled clips per class, k", ylabel="macro-F1")
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(color=GRID, linewidth=0.8)


def _band(
    axes: Axes, part: pd.DataFrame, ends: tuple[str, str], colour: str, *, alpha: float
) -> None:
    """The interval between two columns, where they are there."""
    if not set(ends) <= set(part):
        return
    low, high = (pd.to_numeric(part.dropna(subset=list(ends))[end]) for end in ends)
    k = part.loc[low.index, "k"]
    if len(k) == 1:  # a band of one k has no width
        axes.vlines(k, low, high, color=colour, alpha=alpha + 0.34, linewidth=3)
    else:
        axes.fill_between(k, low, high, color=colour, alpha=alpha, linewidth=0)


def _labelled(axes: Axes, part: pd.DataFrame) -> None:
    """How many labelled clips the classes had, at the points where they had fewer than k."""
    if not {"labelled_least", "labelled_most"} <= set(part):
        return
    for row in part[part["labelled_least"] < part["k"]].to_dict("records"):
        axes.annotate(
            labelled(row),
            (row["k"], row["macro_f1"]),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=MUTED,
        )


def _k_axis(axes: Axes, ks: np.ndarray[Any, np.dtype[np.float64]]) -> None:
    """Logarithmic from 1 on, linear from 0 (zero-shot) to 1, ticks at the ks that have room."""
    axes.set_xscale("symlog", base=2, linthresh=1, linscale=1)
    where = np.where(ks < 1, ks, 1 + np.log2(np.maximum(ks, 1)))
    spread = max(where[-1] - where[0], 1.0)
    ticks: list[float] = []
    last = np.inf
    for k, at in zip(ks[::-1], where[::-1], strict=True):
        if last - at >= 0.04 * spread:
            ticks.append(float(k))
            last = at
    axes.set_xticks(ticks, [f"{k:g}" for k in ticks])
    axes.set_xticks([], minor=True)
    pad = 0.04 * spread
    ends = np.array([where[0] - pad, where[-1] + pad])
    axes.set_xlim(*np.where(ends < 1, ends, 2.0 ** (ends - 1)))


def _systems(curve: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Lines of a curve, the one that ends highest first, as the eye reads the legend."""
    columns = ["k", "macro_f1", "macro_f1_low", "macro_f1_high"]
    numbers = curve.assign(**{name: pd.to_numeric(curve[name]) for name in columns})
    if "system" not in curve:
        return {"": numbers.sort_values("k")}
    parts = {str(name): part.sort_values("k") for name, part in numbers.groupby("system")}
    return dict(sorted(parts.items(), key=lambda item: -item[1]["macro_f1"].iloc[-1]))
