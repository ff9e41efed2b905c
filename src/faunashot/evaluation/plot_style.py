"""The look that all figures share.

Made with matplotlib's object API: no figure outlives its caller, and no display is needed. It is
imported where a figure is made: a second that listing plots does not need.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from faunashot.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 120
INK = "#22272e"
MUTED = "#5f6b78"
GRID = "#e4e8ec"
# Okabe and Ito's colours, without the yellow that white paper swallows
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#22272e")
LEGEND: dict[str, Any] = {"frameon": False, "labelcolor": INK, "fontsize": 9.5}
USUAL, LONGEST = 16, 60
"""Characters of a class name that figures have room for anyway, and the most that they show."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def new_figure(width_in: float, height_in: float, *, compress: bool = False) -> Figure:
    """Make a figure in which nothing overlaps."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12, compress=compress)
    return Figure(figsize=(width_in, height_in), dpi=DPI, layout=engine)


def one_panel(width_in: float, height_in: float, *, compress: bool = False) -> tuple[Figure, Axes]:
    """Make a figure of a single panel."""
    figure = new_figure(width_in, height_in, compress=compress)
    axes = figure.subplots()
    plain(axes)
    return figure, axes


def plain(axes: Axes) -> None:
    """Take away what shows no data."""
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(colors=INK, labelsize=9, length=3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=MUTED, fontsize=9.5)


def class_names(labels: Iterable[object], *, fontsize: float) -> tuple[list[str], float]:
    """Class names as figures show them, and the inches that a figure grows for the longest.

    A name of more than `LONGEST` characters loses its middle: a Latin name begins with the genus
    and ends with what tells it apart.
    """
    names = [str(label) for label in labels]
    half = LONGEST // 2
    shown = [n if len(n) <= LONGEST else f"{n[:half]}…{n[1 - half :]}" for n in names]
    longest = max(map(len, shown), default=0)
    return shown, max(longest - USUAL, 0) * 0.55 * fontsize / 72  # a letter is half as wide as high


def named_rows(axes: Axes, names: Sequence[str], xlabel: str, **text: Any) -> None:
    """Name the rows, the first on top; `text` is of the names' look."""
    axes.set_yticks(range(len(names)), names, **text)
    axes.set(ylim=(len(names) - 0.4, -0.6), xlabel=xlabel)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def head_line(axes: Axes, title: str, shows: str) -> None:
    """Put what is shown above the axes, and the caller's title above that."""
    if not title:
        axes.set_title(shows, loc="left", fontsize=11, fontweight="bold", color=INK, pad=10)
        return
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=24)
    axes.annotate(
        shows,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 9),
        textcoords="offset points",
        fontsize=9,
        color=MUTED,
    )


def need_columns(table: pd.DataFrame, key: str, columns: tuple[str, ...]) -> None:
    """Raise `ParameterError` where a table has no rows or lacks a column; `key` names it."""
    missing = [name for name in columns if name not in table]
    if missing or table.empty:
        what = f"no column {missing[0]!r}" if missing else "no rows"
        raise ParameterError(f"{key}: {what}; needs {', '.join(columns)}")
