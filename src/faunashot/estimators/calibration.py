"""Temperature scaling: confidence that says how often an estimator is right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from faunashot.errors import ParameterError
from faunashot.estimators.examples import Examples
from faunashot.estimators.pooling import log_loss

BOUNDS = (0.05, 20.0)
"""Temperatures that can be fitted."""

_PRIOR = float(np.log(2))
"""Standard deviation of the logarithm before any clip is seen: a few clips that all happen to be
right would else have a head be certain, and they say little, since sharp windows are pooled."""

_LEAST = 1e-12
"""Probability that stands for 0 in a likelihood, so that one clip cannot make it infinite."""


def temper(
    scores: npt.ArrayLike, temperature: float, *, multi_label: bool = False
) -> npt.NDArray[np.float64]:
    """Scale the logarithms of scores by 1 / `temperature`.

    Parameters
    ----------
    scores : array-like, shape (N, C)
        Not negative. A row of zeros, in which nothing was heard, stays one.
    temperature : float
        Above 0; above 1 it takes confidence away, below 1 it gives more.
    multi_label : bool
        Whether a score is a probability by itself, whose logit is scaled; else a row is one
        distribution, whose sum and order stay the same.

    Returns
    -------
    ndarray, shape (N, C)
    """
    given = np.asarray(scores, dtype=np.float64)
    if temperature == 1:
        return given
    if multi_label:
        with np.errstate(divide="ignore"):
            return np.asarray(expit(logit(given) / temperature))
    highest = given.max(axis=1, keepdims=True, initial=0.0)
    # the highest becomes 1, so that no power of it is too small to be divided by
    power = np.divide(given, highest, out=np.zeros_like(given), where=highest > 0)
    power **= 1 / temperature
    total = power.sum(axis=1, keepdims=True)
    share = np.divide(power, total, out=power, where=total > 0)
    return np.asarray(share * given.sum(axis=1, keepdims=True))


def fit_temperature(
    scores: npt.ArrayLike,
    clip: npt.ArrayLike,
    *,
    truth: npt.ArrayLike,
    weight: npt.ArrayLike | None = None,
) -> float:
    """Temperature of windows under which the scores of their clips are the most likely.

    Before any clip it is 1, give or take a factor of two; many clips overrule that. Windows are
    tempered and then pooled; give each clip as its one window where clips are tempered. The clips
    must be others than the head has learned from, which it knows too well.

    Parameters
    ----------
    scores : array-like, shape (N, C)
        Of windows, not negative.
    clip : array-like of int, shape (N,)
        Clip of each window, a row of `truth`.
    truth : array-like of int, shape (M,)
        Column of the true class of each clip.
    weight : array-like, shape (N,), optional
        Of each window in its clip, above 0, such as the seconds that it covers; equal if not
        given.

    Returns
    -------
    float
        Above 0, within `BOUNDS`; 1 where there are no clips, or where no other fits better.

    Raises
    ------
    ParameterError
        The arrays do not belong together.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    given = np.asarray(scores, dtype=np.float64)
    of, true = np.asarray(clip, dtype=np.intp), np.asarray(truth, dtype=np.intp)
    weights = np.ones(len(of)) if weight is None else np.asarray(weight, dtype=np.float64)
    if not true.size:
        return 1.0
    if given.ndim != 2 or not len(given) == len(of) == len(weights):
        raise ParameterError(f"clip, weight: needs one for each row of scores {given.shape}")
    if not np.array_equal(np.unique(of), np.arange(len(true))):
        raise ParameterError(f"clip: needs windows of each of {len(true)} clips, and no others")
    if not np.isin(true, range(given.shape[1])).all():
        raise ParameterError(f"truth: needs columns of the scores, 0 to {given.shape[1] - 1}")
    from scipy.sparse import csr_array

    pool = csr_array((weights, (of, np.arange(len(of)))), shape=(len(true), len(of)))

    def loss(log_temperature: float) -> float:
        unlikely = (log_temperature / _PRIOR) ** 2 / (2 * len(true))
        pooled = pool @ temper(given, float(np.exp(log_temperature)))
        total, hit = pooled.sum(axis=1), pooled[np.arange(len(true)), true]
        even = np.full(len(true), 1 / given.shape[1])
        share = np.divide(hit, total, out=even, where=total > 0)
        return float(unlikely - np.log(np.maximum(share, _LEAST)).mean())

    return _least(loss)


def clip_temperature(scores: npt.NDArray[np.float64], examples: Examples) -> float:
    """Temperature under which the targets of clips are the likeliest, see `fit_temperature`.

    Parameters
    ----------
    scores : ndarray, shape (n, C)
        Of whole clips, columns as the classes of `examples`.
    """
    n = len(examples)
    if not examples.multi_label:
        truth = examples.targets.argmax(axis=1)
        return fit_temperature(scores, np.arange(n), weight=np.ones(n), truth=truth)

    def loss(log_temperature: float) -> float:
        unlikely = (log_temperature / _PRIOR) ** 2 / (2 * n)
        tempered = temper(scores, float(np.exp(log_temperature)), multi_label=True)
        return unlikely + log_loss(tempered, examples.targets, multi_label=True)

    return _least(loss)


def _least(loss: Callable[[float], float]) -> float:
    """The temperature whose logarithm has the least loss; 1 where no other has less."""
    from scipy.optimize import minimize_scalar

    best = minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded")
    return float(np.exp(best.x)) if best.fun < loss(0.0) else 1.0
