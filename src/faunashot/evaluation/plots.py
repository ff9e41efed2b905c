"""Figures of how well classes are told apart, for the report page and the tracked runs."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from faunashot.errors import ParameterError
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


def confusion_figure(confusion: pd.DataFrame, *, title: str = "") -> Figure:
    """Confusion matrix: counts as text, coloured by the share of the true class.

    Parameters
    ----------
    confusion : counts, shape (C, C), rows true, columns predicted (`metrics.confusion`).
    title : of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If the matrix is empty or not square.
    """
    counts = confusion.to_numpy()
    n = len(counts)
    if not n or counts.shape != (n, n):
        raise ParameterError(f"confusion: shape {counts.shape}; needs as many rows as columns")
    totals = counts.sum(axis=1, keepdims=True)
    share = counts / np.where(totals > 0, totals, 1)
    # a cell keeps room for its count, which shrinks with many classes but stays legible
    cell_in, font = (0.46, 9.0) if n <= 15 else (0.32, 7.5) if n <= 30 else (0.25, 6.5)
    side = max(cell_in * n, 3.2)
    figure, axes = one_panel(side + 2.6, side + 2.1, compress=True)
    colours = matplotlib.colormaps["Blues"]
    image = axes.imshow(share, cmap=colours, vmin=0, vmax=1, aspect="equal")
    for row, column in zip(*np.nonzero(counts), strict=True):
        axes.text(
            column,
            row,
            f"{counts[row, column]:g}",
            ha="center",
            va="center",
            fontsize=font,
            color="white" if share[row, column] > 0.55 else INK,
            fontweight="bold" if row == column else "normal",
        )
    axes.set_xticks(range(n), list(map(str, confusion.columns)), rotation=90, fontsize=font + 0.5)
    axes.set_yticks(range(n), list(map(str, confusion.index)), fontsize=font + 0.5)
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=GRID, linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted", ylabel="true")
    bar = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("share of the true class", color=MUTED, fontsize=9.5)
    bar.ax.tick_params(length=0, colors=MUTED, labelsize=8.5)
    head_line(axes, title, f"Confusion of {counts.sum()}: counts, coloured by share of the row")
    return figure


def curve_figure(curve: pd.DataFrame, *, title: str = "") -> Figure:
    """Macro-F1 against labelled clips per class, with its interval.

    Parameters
    ----------
    curve : columns ``k, macro_f1, macro_f1_low, macro_f1_high``, ``system`` where there are
        several lines, and ``panel`` where they are shared out. k >= 0, 0 being zero-shot; the
        ends of the interval may be missing, where one episode was run.
    title : of what; the figure itself says what it shows.

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
    figure, axes = one_panel(8.8 if len(parts) > 1 else 6.8, 4.6)
    _curves(axes, parts, list(parts))
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
        band = part.dropna(subset=["macro_f1_low", "macro_f1_high"])
        low, high = band["macro_f1_low"], band["macro_f1_high"]
        if len(band) == 1:  # a band of one k has no width
            axes.vlines(band["k"], low, high, color=colour, alpha=0.5, linewidth=3)
        else:
            axes.fill_between(band["k"], low, high, color=colour, alpha=0.16, linewidth=0)
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


def per_class_figure(per_class: pd.DataFrame, *, title: str = "") -> Figure:
    """F1 of every class as a bar, best on top, its support beside it.

    Parameters
    ----------
    per_class : columns ``label, f1, support``. A class with support 0 comes
        last, has no bar, and no part in the macro-F1 that the dashed line marks.
    title : of what; the figure itself says what it shows.

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
    figure, axes = one_panel(6.8, 1.5 + 0.24 * max(n, 6))
    rows = range(n)
    axes.barh(rows, table["f1"].where(table["scored"], 0), height=0.68, color=COLOURS[0])
    for row, f1, support in zip(rows, table["f1"], table["support"], strict=True):
        for text, right_pt, colour in (
            (f"{f1:.2f}" if support else "none", 10, INK),
            (f"n = {support}", 40, MUTED),
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
        shows += f"; dashed: macro-F1 {macro:.3f}"
    axes.set_yticks(rows, list(map(str, table["label"])), fontsize=9)
    axes.set(xlim=(0, 1), ylim=(n - 0.4, -0.6), xlabel="F1")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    head_line(axes, title, shows)
    return figure


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
