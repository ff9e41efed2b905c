"""Precision against score, with its interval and the detections that were checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faunashot.detection.validation.fitting import CheckedClass
from faunashot.detection.validation.folder import NO, UNCERTAIN, YES
from faunashot.errors import ParameterError
from faunashot.evaluation.plot_style import (
    COLOURS,
    GRID,
    INK,
    LEGEND,
    MUTED,
    class_names,
    new_figure,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
POINTS, STARTS = 60, 20
"""Scores at which the curve is drawn, and precisions from a score on."""

SPREAD = 0.05
"""Height of the band in which the answers of one kind lie, so that they do not hide each other."""

PLACES = {YES: 1.09, UNCERTAIN: 0.5, NO: -0.09}
"""Where answers are drawn: above and below the axis' 1 and 0, and those that say neither between.
"""


def precision_figure(
    classes: Sequence[CheckedClass], *, precision: float | None = None, shown: bool = False
) -> Figure:
    """A panel a class: the chance of being right by score, and the precision from a score on.

    Parameters
    ----------
    classes : sequence of CheckedClass
    precision : float, optional
        Wished; the threshold at which the detections reach it is marked.
    shown : bool
        As of `faunashot.evaluation.precision_curve.PrecisionCurve.threshold`.

    Raises
    ------
    ParameterError
        There are no classes.
    """
    if not classes:
        raise ParameterError("classes: none was checked")
    n_columns = min(COLUMNS, len(classes))
    n_rows = -(-len(classes) // n_columns)
    figure = new_figure(0.8 + 3.9 * n_columns, 0.9 + 3.0 * n_rows)
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    names, _ = class_names((one.label for one in classes), fontsize=11)
    for axes in panels.flat[len(classes) :]:
        axes.remove()
    for axes, one, name in zip(panels.flat, classes, names, strict=False):
        _panel(axes, one, precision=precision, shown=shown)
        shows = f"{one.count(YES)} of {one.count(YES) + one.count(NO)} right"
        axes.set_title(name, loc="left", fontsize=11, fontweight="bold", color=INK)
        axes.set_title(shows, loc="right", fontsize=9, color=MUTED)
    for axes in panels[:, 0]:
        axes.set(ylabel="share that is right")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    for axes in panels.flat[1 : len(classes)]:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles, labels = [*handles, handle], [*labels, label]
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 1 + n_columns), **LEGEND
    )
    return figure


def _panel(axes: Axes, one: CheckedClass, *, precision: float | None, shown: bool) -> None:
    low, high = float(one.scores.min()), float(one.scores.max())
    grid = np.linspace(low, high, POINTS) if high > low else np.array([low])
    value, least, most = one.curve.at(grid)
    at_score, from_score = "at this score, 95 % interval", "from this score on"
    axes.fill_between(grid, least, most, color=COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(grid, value, color=COLOURS[0], linewidth=1.9, label=at_score)
    starts = grid[:: POINTS // STARTS]
    above = [one.curve.above(score).value for score in starts]
    dashes = (0, (5, 2))
    axes.plot(starts, above, color=COLOURS[1], linewidth=1.7, linestyle=dashes, label=from_score)
    _answers(axes, one)
    if precision is not None:
        axes.axhline(precision, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)))
        found = one.curve.threshold(precision, shown=shown)
        if found is not None:
            label = f"threshold for {precision:g}"
            axes.axvline(found.value, color=COLOURS[2], linewidth=1.7, label=label)
            ends = (
                low if found.low is None else found.low,
                high if found.high is None else found.high,
            )
            axes.axvspan(*ends, color=COLOURS[2], alpha=0.10, linewidth=0)
    axes.set(ylim=(-0.16, 1.16), xlabel="score")
    axes.set_yticks(np.linspace(0, 1, 6))
    plain(axes)
    axes.grid(color=GRID, linewidth=0.8)


def _answers(axes: Axes, one: CheckedClass) -> None:
    rng = np.random.default_rng(0)
    for answer, place in PLACES.items():
        scores = one.checked.loc[one.checked["answer"] == answer, "score"]
        if len(scores):
            axes.scatter(
                scores,
                place + SPREAD * rng.uniform(-1, 1, len(scores)),
                s=15,
                color=COLOURS[6] if answer != UNCERTAIN else COLOURS[5],
                alpha=0.6,
                linewidth=0,
                marker={YES: "^", NO: "v", UNCERTAIN: "D"}[answer],
                label=f"checked: {answer}",
                zorder=3,
            )
