"""Intervals: of means over episodes, of scores over source recordings, of paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from faunashot.errors import ParameterError
from faunashot.evaluation.metrics import paired_codes, scores_from_counts


class Interval(NamedTuple):
    """A figure and its interval; `low` and `high` are None where the sample is too small for one.

    None, not NaN, and not the value itself: JSON has no NaN, and an interval of no width would
    claim certainty.
    """

    value: float
    low: float | None
    high: float | None


def mean_interval(values: npt.ArrayLike, *, level: float = 0.95) -> Interval:
    """Mean of seeded episodes with Student's t interval.

    The interval is about the draw of the labelled clips. It says nothing of other recordings:
    episodes share those they are scored on (see `bootstrap_by_group`). It is not cut to the range
    of a score.

    Parameters
    ----------
    values : one figure per episode, shape (N,), N >= 1.
    level : confidence, in (0, 1).

    Returns
    -------
    Interval
        With N = 1 there is no interval: `low` and `high` are None.

    Raises
    ------
    ParameterError
        If there are no values, one is not finite, or `level` is out of range.
    """
    _check_level(level)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ParameterError("values: needs one finite number or more, in one dimension")
    mean = float(array.mean())
    if array.size == 1:
        return Interval(mean, None, None)
    half = float(stats.t.ppf((1 + level) / 2, array.size - 1) * stats.sem(array))
    return Interval(mean, mean - half, mean + half)


def paired_difference(a: npt.ArrayLike, b: npt.ArrayLike, *, level: float = 0.95) -> Interval:
    """Mean of a - b over the same episodes, with the interval of the paired t test.

    The two systems differ at `level` where the interval does not hold 0.

    Parameters
    ----------
    a, b : figures of two systems, shape (N,), entry i of both from the same episode.
    level : confidence, in (0, 1).

    Raises
    ------
    ParameterError
        If shapes differ, or as `mean_interval` does.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ParameterError(f"b: shape {second.shape}, but a has {first.shape}; pair by episode")
    return mean_interval(first - second, level=level)


def bootstrap_by_group(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    groups: npt.ArrayLike,
    classes: Sequence[str],
    *,
    n_draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals of the scores when whole source recordings are drawn with replacement.

    Clips of one recording are right or wrong together, so intervals that draw clips are too
    narrow. Macro-F1 of a draw is over the classes that occur in it, as in `scores`.

    Parameters
    ----------
    y_true, y_pred : labels, shape (N,), each one of `classes`.
    groups : source recording of every clip, shape (N,).
    classes : every class that can be predicted.
    n_draws : number of bootstrap samples.
    level : confidence, in (0, 1).
    seed : of the draws.

    Returns
    -------
    dict
        ``macro_f1``, ``accuracy``, ``weighted_f1`` -> Interval in [0, 1]; `value` is that of
        `scores`. With a single group there is no interval: `low` and `high` are None.

    Raises
    ------
    ParameterError
        If a group is missing, lengths differ, a number is out of range, or as `scores` does.

    References
    ----------
    Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 8 and 13.
    """
    _check_level(level)
    if n_draws < 1:
        raise ParameterError(f"n_draws: {n_draws}; needs 1 or more")
    true, pred = paired_codes(y_true, y_pred, classes)
    group, names = pd.factorize(np.asarray(groups, dtype=object))
    if group.shape != true.shape or (group < 0).any():
        raise ParameterError(f"groups: needs one for each of {true.size} clips, none missing")

    n_groups, n_classes = len(names), len(classes)

    def count(kept: npt.NDArray[np.bool_], labels: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        cells = group[kept] * n_classes + labels[kept]
        counts = np.bincount(cells, minlength=n_groups * n_classes)
        return counts.reshape(n_groups, n_classes).astype(np.float64)

    # of a group's confusion matrix the scores need the diagonal and both margins, no more
    every = np.ones(true.shape, dtype=bool)
    per_group = np.stack([count(true == pred, true), count(every, true), count(every, pred)], 1)
    value = scores_from_counts(*per_group.sum(axis=0))
    if n_groups == 1:
        return {name: Interval(float(v), None, None) for name, v in value.items()}

    times = np.random.default_rng(seed).multinomial(
        n_groups, np.full(n_groups, 1 / n_groups), size=n_draws
    )
    drawn = times.astype(np.float64) @ per_group.reshape(n_groups, -1)
    draws = scores_from_counts(*np.moveaxis(drawn.reshape(n_draws, 3, n_classes), 1, 0))
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends = {name: np.quantile(draw, tails) for name, draw in draws.items()}
    return {name: Interval(float(value[name]), *map(float, ends[name])) for name in value}


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ParameterError(f"level: {level}; needs to lie between 0 and 1")
