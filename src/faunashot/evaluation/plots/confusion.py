"""The confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.plot_style import GRID, INK, MUTED, class_names, head_line, one_panel
from faunashot.evaluation.plots.base import DvcPlot, Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from faunashot.evaluation.summary import Summary


CORNER = "true \\ predicted"
"""Column of the true classes, a name that no class has: one may well be called ``true``."""


class Confusion(Plot):
    """Which class is taken for which, over all scored clips at the headline k."""

    title = "Confusion matrix (rows true, columns predicted)"
    multi_label = False
    order = 20
    dvc = DvcPlot(
        template="confusion_normalized",
        x="predicted",
        y="label",
        x_label="predicted class",
        y_label="true class",
        file="predictions.csv",
    )

    def table(self, summary: Summary) -> pd.DataFrame | None:
        """Counts with the true class in the column `CORNER`."""
        return None if summary.confusion is None else summary.confusion.reset_index(names=CORNER)

    def figure(self, table: pd.DataFrame, *, title: str = "") -> Figure:
        """See `confusion_figure`."""
        return confusion_figure(table.set_index(CORNER), title=title)


def confusion_figure(confusion: pd.DataFrame, *, title: str = "") -> Figure:
    """Confusion matrix: counts as text, coloured by the share of the true class.

    Parameters
    ----------
    confusion : DataFrame, shape (C, C)
        Counts, rows true, columns predicted (`labels.confusion`).
    title : str
        Of what; the figure itself says what it shows.

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
    names, room_in = class_names(confusion.index, fontsize=font + 0.5)
    figure, axes = one_panel(side + 2.6 + room_in, side + 2.1 + room_in, compress=True)
    import matplotlib

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
    axes.set_xticks(range(n), names, rotation=90, fontsize=font + 0.5)
    axes.set_yticks(range(n), names, fontsize=font + 0.5)
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
