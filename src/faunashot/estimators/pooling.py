"""Scores of windows pooled to scores of their clips: the one place that does it.

Training, evaluation, serving and detection all pool here, so that a clip that is served gets the
score that it was evaluated with.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from faunashot.errors import ParameterError
from faunashot.estimators.examples import Examples

FloatArray = npt.NDArray[np.float64]

LEAST = 1e-7
"""Probability that stands for a smaller one, whose logarithm would outvote all other windows."""

MEAN = "mean_probability"
"""Name of the mean over windows, weighted by what each covers."""

SHARPNESS = 5.0
"""Of `attention`: 0 is the mean, infinity the maximum."""


def _sums(values: FloatArray, examples: Examples) -> FloatArray:
    return np.asarray(np.add.reduceat(values, examples.first))


def _bounded(scores: FloatArray) -> FloatArray:
    return np.asarray(np.clip(scores, LEAST, 1 - LEAST))


def _mean_probability(scores: FloatArray, examples: Examples) -> FloatArray:
    return _sums(examples.coverage[:, None] * scores, examples)


def _mean_logit(scores: FloatArray, examples: Examples) -> FloatArray:
    weight = examples.coverage[:, None]
    if examples.multi_label:
        return np.asarray(expit(_sums(weight * logit(_bounded(scores)), examples)))
    return np.asarray(np.exp(_sums(weight * np.log(np.maximum(scores, LEAST)), examples)))


def _maximum(scores: FloatArray, examples: Examples) -> FloatArray:
    return np.asarray(np.maximum.reduceat(scores, examples.first))


def _noisy_or(scores: FloatArray, examples: Examples) -> FloatArray:
    share = examples.coverage
    longest = np.maximum.reduceat(share, examples.first)
    whole = (share / longest[examples.clip_of])[:, None]  # a window that is half padding: a half
    return np.asarray(-np.expm1(_sums(whole * np.log1p(-_bounded(scores)), examples)))


def _attention(scores: FloatArray, examples: Examples) -> FloatArray:
    weight = examples.coverage[:, None] * np.exp(SHARPNESS * scores)
    return np.asarray(_sums(weight * scores, examples) / _sums(weight, examples))


METHODS: dict[str, Callable[[FloatArray, Examples], FloatArray]] = {
    MEAN: _mean_probability,
    "mean_logit": _mean_logit,
    "maximum": _maximum,
    "noisy_or": _noisy_or,
    "attention": _attention,
}
"""How to pool, by name; what comes first is chosen where several are as good."""


def pool(scores: FloatArray, examples: Examples, *, how: str = MEAN) -> FloatArray:
    """Scores of clips from those of their windows.

    Parameters
    ----------
    scores : ndarray, shape (N, C)
        Of the windows of `examples`, in [0, 1].
    examples : Examples
        The clips; but for the maximum, a window counts by the seconds of its clip that it covers.
    how : str
        One of `METHODS`. ``mean_probability`` and ``mean_logit`` take every window for a witness,
        ``maximum`` the surest one, ``noisy_or`` any. ``attention`` is soft-max pooling: of each
        class a window weighs exp(`SHARPNESS` p).

    Returns
    -------
    ndarray, shape (n, C)
        In [0, 1]. Where a clip has one label, the scores of a method other than
        ``mean_probability`` are made to sum to 1; its own sum to what those of windows do.

    Raises
    ------
    ParameterError
        There is no such method.

    References
    ----------
    B. McFee, J. Salamon, J. P. Bello. Adaptive pooling operators for weakly labeled sound event
    detection. IEEE/ACM TASLP 26, 2018: soft-max pooling between the mean and the maximum.
    """
    if how not in METHODS:
        raise ParameterError.unknown("pooling", how, METHODS)
    pooled = METHODS[how](np.asarray(scores, dtype=np.float64), examples)
    if how == MEAN or examples.multi_label:
        return pooled
    total = pooled.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(pooled, total, out=pooled, where=total > 0))


def log_loss(scores: FloatArray, targets: npt.NDArray[np.float32], *, multi_label: bool) -> float:
    """Mean negative log-likelihood of targets, shape (n, C), under scores of clips."""
    bounded = _bounded(scores)
    likely = targets * np.log(bounded)
    if multi_label:
        likely = likely + (1 - targets) * np.log1p(-bounded)
    return float(-likely.sum(axis=1).mean())


def mean_average_precision(scores: npt.NDArray[np.float64], hit: npt.NDArray[np.bool_]) -> float:
    """Mean average precision over the classes that occur, of clips, shape (n, C); 0 of none."""
    from sklearn.metrics import average_precision_score

    occur = hit.any(axis=0)
    if not occur.any():
        return 0.0
    return float(average_precision_score(hit[:, occur], scores[:, occur]))


def best_pooling(scores: FloatArray, validation: Examples) -> str:
    """The method under which the targets of validation clips are the likeliest.

    Parameters
    ----------
    scores : ndarray, shape (N, C)
        Of the windows of `validation`, columns as its classes.
    """
    loss = {
        how: log_loss(
            pool(scores, validation, how=how),
            validation.targets,
            multi_label=validation.multi_label,
        )
        for how in METHODS
    }
    return min(loss, key=lambda how: loss[how])
