"""Intervals: of means over episodes, of scores over source recordings, of paired differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit  # scipy.stats takes a second to import

from faunashot.errors import ParameterError
from faunashot.evaluation.labels import FloatArray, IntArray
from faunashot.evaluation.metrics import metric_values, metrics_for
from faunashot.evaluation.scored import ScoredClips
from faunashot.progress import tracked

Figures = Callable[[FloatArray, FloatArray], Mapping[str, FloatArray]]
"""From how often each recording and episode was drawn, (D, G) and (D, E), to figures, (D, ...)."""

_CELLS = 400_000  # of recordings and draws at once: enough for numpy, few enough for memory
_LEAST = 250


class Interval(NamedTuple):
    """A figure and its interval; `low` and `high` are None where the sample is too small for one.

    None, not NaN, and not the value itself: JSON has no NaN, and an interval of no width would
    claim certainty.
    """

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, ends: npt.ArrayLike) -> Interval:
        """From value, low and high, where NaN says that there is no such end."""
        value, low, high = np.asarray(ends, dtype=np.float64).tolist()
        return cls(value, None if np.isnan(low) else low, None if np.isnan(high) else high)


def mean_interval(values: npt.ArrayLike, *, confidence_level: float = 0.95) -> Interval:
    """Mean of seeded episodes with Student's t interval.

    The interval is about the draw of the labelled clips. It says nothing of other recordings:
    episodes share those they are scored on (see `bootstrap`). It is not cut to the range
    of a score.

    Parameters
    ----------
    values : array_like, shape (N,)
        One figure per episode, N >= 1.
    confidence_level : float
        In (0, 1).

    Returns
    -------
    Interval
        With N = 1 there is no interval: `low` and `high` are None.

    Raises
    ------
    ParameterError
        If there are no values, one is not finite, or `confidence_level` is out of range.
    """
    _check_level(confidence_level)
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ParameterError("values: needs one finite number or more, in one dimension")
    error = array.std(ddof=1) / np.sqrt(array.size) if array.size > 1 else np.nan
    return _student(array.mean(), error, array.size, confidence_level=confidence_level)


def paired_difference(
    a: npt.ArrayLike, b: npt.ArrayLike, *, confidence_level: float = 0.95
) -> Interval:
    """Mean of a - b over the same episodes, with the interval of the paired t test.

    The two systems differ at `confidence_level` where the interval does not hold 0.

    Parameters
    ----------
    a, b : array_like, shape (N,)
        Figures of two systems, entry i of both from the same episode.
    confidence_level : float
        In (0, 1).

    Raises
    ------
    ParameterError
        If shapes differ, or as `mean_interval` does.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ParameterError(f"b: shape {second.shape}, but a has {first.shape}; pair by episode")
    return mean_interval(first - second, confidence_level=confidence_level)


def jackknife_interval(
    value: float, left_out: npt.ArrayLike, *, confidence_level: float = 0.95
) -> Interval:
    """Interval of a figure of all episodes together, by Student's t on the jackknife's error.

    For a figure that is no mean over episodes, such as the calibration error: that of a few clips
    is mostly their chance.

    Parameters
    ----------
    value : float
        Of all episodes together.
    left_out : array_like, shape (N,)
        The same with each episode left out in turn, N >= 1.
    confidence_level : float
        In (0, 1).

    Returns
    -------
    Interval
        With N = 1 there is no interval: `low` and `high` are None.

    References
    ----------
    Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 11.
    """
    _check_level(confidence_level)
    array = np.asarray(left_out, dtype=np.float64)
    error = np.sqrt((array.size - 1) * array.var())
    return _student(value, error, array.size, confidence_level=confidence_level)


def bootstrap(
    figures: Figures,
    n_groups: int,
    *,
    n_episodes: int = 1,
    centred: Collection[str] = (),
    mirrored: Mapping[str, tuple[float, float]] | None = None,
    n_bootstrap: int = 2000,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> dict[str, FloatArray]:
    """Percentile intervals of any figures over source recordings and episodes together.

    Whole recordings are drawn with replacement, the same for all episodes, and independently of
    them episodes. The two are crossed, an episode scoring many recordings and a recording being
    scored in many episodes, so that neither can be drawn within the other: this is Owen's
    pigeonhole bootstrap, whose variance is never too small on average, and little too large.
    With one episode it is the plain bootstrap of recordings.

    Parameters
    ----------
    figures : callable
        Called with how often each recording and each episode counts, shapes (D, G) and (D, E);
        gives, by name, arrays whose first axis is D. NaN stands for a draw that says nothing of a
        figure.
    n_groups : int
        G, of source recordings.
    n_episodes : int
        E, of episodes.
    centred : collection of str
        Means over several episodes, each a score of few clips, which a draw from them moves once
        more: their draws are shifted to lie about the value.
    mirrored : mapping of str to (float, float)
        Figures that a small sample makes too large, and a draw from it once more, and their
        ranges: their draws are mirrored at the value (the basic interval), which is kept inside.
    n_bootstrap : int
        Number of bootstrap samples.
    confidence_level : float
        In (0, 1).
    seed : int
        Of the draws.

    Returns
    -------
    dict
        For each name value, low and high along the first axis, shape (3, ...). With a single
        recording there is no interval: low and high are NaN.

    References
    ----------
    Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 8, 10 and 13.
    Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007.
    """
    value, draws = resampled(
        figures,
        n_groups,
        n_episodes=n_episodes,
        centred=centred,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    return percentiles(value, draws, mirrored=mirrored, confidence_level=confidence_level)


def resampled(
    figures: Figures,
    n_groups: int,
    *,
    n_episodes: int,
    centred: Collection[str] = (),
    n_bootstrap: int,
    seed: int,
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Figures of the sample, shape (1, ...), and of `bootstrap`'s draws from it, (D, ...).

    Draws are NaN where there is a single recording, which says nothing of how much they differ.
    """
    if n_bootstrap < 1:
        raise ParameterError(f"n_bootstrap: {n_bootstrap}; needs 1 or more")
    value = dict(figures(np.ones((1, n_groups)), np.ones((1, n_episodes))))
    if n_groups == 1:
        return value, {name: np.full_like(of, np.nan) for name, of in value.items()}
    rng = np.random.default_rng(seed)

    def times(n: int, size: int) -> FloatArray:
        if n == 1:
            return np.ones((size, 1))
        return rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)

    chunk = max(_LEAST, _CELLS // n_groups)
    sizes = [min(chunk, n_bootstrap - start) for start in range(0, n_bootstrap, chunk)]
    parts = [
        figures(times(n_groups, size), times(n_episodes, size))
        for size in tracked(sizes, "drawing recordings for intervals")
    ]
    draws = {name: np.concatenate([part[name] for part in parts]) for name in value}
    for name in centred if n_episodes > 1 else ():
        with warnings.catch_warnings():  # of a class that no clip is of
            warnings.filterwarnings("ignore", message="Mean of empty slice")
            draws[name] += value[name] - np.nanmean(draws[name], axis=0)
    return value, draws


def percentiles(
    value: Mapping[str, FloatArray],
    draws: Mapping[str, FloatArray],
    *,
    mirrored: Mapping[str, tuple[float, float]] | None = None,
    confidence_level: float,
) -> dict[str, FloatArray]:
    """Value, low and high of what `resampled` gives, see `bootstrap`."""
    _check_level(confidence_level)
    tails = [(1 - confidence_level) / 2, (1 + confidence_level) / 2]
    ends = {}
    for name, of_all in value.items():
        with warnings.catch_warnings():  # of a class that no clip is of
            warnings.filterwarnings("ignore", message="All-NaN slice")
            low, high = np.nanquantile(draws[name], tails, axis=0)
        if mirrored and name in mirrored:
            least, most = mirrored[name]
            reach = 2 * of_all[0]
            low, high = (reach - high).clip(least, of_all[0]), (reach - low).clip(of_all[0], most)
        ends[name] = np.stack([of_all[0], low, high])
    return ends


def bootstrap_by_group(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    groups: npt.ArrayLike,
    classes: Sequence[str],
    *,
    n_bootstrap: int = 2000,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Percentile intervals of metrics of labels when whole source recordings are drawn.

    Clips of one recording are right or wrong together, so intervals that draw clips are too
    narrow. Macro-F1 of a draw is over the classes that occur in it.

    Parameters
    ----------
    y_true, y_pred : array_like of str, shape (N,)
        Labels, each one of `classes`.
    groups : array_like, shape (N,)
        Source recording of every clip.
    classes : sequence of str
        Every class that can be predicted.
    n_bootstrap : int
        Number of bootstrap samples.
    confidence_level : float
        In (0, 1).
    seed : int
        Of the draws.

    Returns
    -------
    dict
        Of each metric of labels by name its Interval; `value` is that of `metrics.scores`. With a
        single group there is no interval: `low` and `high` are None.

    Raises
    ------
    ParameterError
        A group is missing, lengths differ, a number is out of range, or as `metrics.scores` does.
    """
    part = group_codes(groups, np.size(y_true))
    clips = ScoredClips.of_labels(y_true, y_pred, classes, part=part)
    metrics = metrics_for(of="labels")
    found = bootstrap(
        lambda times, _: metric_values(metrics, clips.weighted(times)),
        clips.n_parts,
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        seed=seed,
    )
    return {name: Interval.of(ends) for name, ends in found.items()}


def group_codes(groups: npt.ArrayLike, n: int) -> IntArray:
    """Number of the source recording of each of `n` clips, in the order of first appearance.

    Raises
    ------
    ParameterError
        If they are not `n`, or one is missing.
    """
    codes, _ = pd.factorize(np.asarray(groups, dtype=object))
    if codes.shape != (n,) or (codes < 0).any():
        raise ParameterError(f"groups: needs one for each of {n} clips, none missing")
    return codes


def _student(value: float, error: float, n: int, *, confidence_level: float) -> Interval:
    """Interval by Student's t on a standard error from n figures; none where there is but one."""
    if n < 2:
        return Interval(float(value), None, None)
    half = stdtrit(n - 1, (1 + confidence_level) / 2) * error
    return Interval.of([value, value - half, value + half])


def _check_level(confidence_level: float) -> None:
    if not 0 < confidence_level < 1:
        raise ParameterError(f"confidence_level: {confidence_level}; needs to lie between 0 and 1")
