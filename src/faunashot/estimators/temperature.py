"""Temperature scaling: confidence that says how often a head is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin

from faunashot.errors import ParameterError

BOUNDS = (0.05, 20.0)
"""Temperatures that can be fitted."""

_PRIOR = float(np.log(2))
"""Standard deviation of the logarithm before any clip is seen: a few clips that all happen to be
right would else have a head be certain, and they say little, since sharp windows are pooled."""

_LEAST = 1e-12
"""Probability that stands for 0 in a likelihood, so that one clip cannot make it infinite."""


def temper(scores: npt.ArrayLike, temperature: float) -> npt.NDArray[np.float64]:
    """Raise each row to the power 1 / `temperature`; its sum and its order stay the same.

    Parameters
    ----------
    scores : (N, C), not negative. A row of zeros, in which nothing was heard, stays one.
    temperature : above 0; above 1 it takes confidence away, below 1 it gives more.

    Returns
    -------
    (N, C), where every row sums to what it summed to before.
    """
    given = np.asarray(scores, dtype=np.float64)
    if temperature == 1:
        return given
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
    tempered and then pooled, as they are where a head is scored and served. The clips must be
    others than the head has learned from, which it knows too well.

    Parameters
    ----------
    scores : of windows, (N, C), not negative.
    clip : of each window, (N,), a row of `truth`.
    truth : column of the true class of each clip, (M,).
    weight : of each window in its clip, (N,), above 0, such as the seconds that it covers; equal
        if not given.

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
    pool = csr_array((weights, (of, np.arange(len(of)))), shape=(len(true), len(of)))

    def loss(log_temperature: float) -> float:
        unlikely = (log_temperature / _PRIOR) ** 2 / (2 * len(true))
        pooled = pool @ temper(given, float(np.exp(log_temperature)))
        total, hit = pooled.sum(axis=1), pooled[np.arange(len(true)), true]
        even = np.full(len(true), 1 / given.shape[1])
        share = np.divide(hit, total, out=even, where=total > 0)
        return float(unlikely - np.log(np.maximum(share, _LEAST)).mean())

    best = minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded")
    return float(np.exp(best.x)) if best.fun < loss(0.0) else 1.0


class Tempered(ClassifierMixin, BaseEstimator):
    """A fitted head with its confidence put right.

    Parameters
    ----------
    head : fitted, with ``classes_`` and ``predict_proba``.
    temperature : as `fit_temperature` finds it.
    """

    def __init__(self, head: Any, temperature: float) -> None:
        self.head = head
        self.temperature = temperature

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Classes of the head."""
        return np.asarray(self.head.classes_)

    def predict_proba(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Tempered scores of `classes_`, (N, dim) -> (N, C)."""
        return temper(self.head.predict_proba(X), self.temperature)

    def predict(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The class of each row, which is the head's own."""
        return np.asarray(self.classes_[self.head.predict_proba(X).argmax(axis=1)])
