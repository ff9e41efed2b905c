"""Mean average precision: how well scores rank the clips of each class above the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from faunashot.evaluation.metrics.base import FloatArray, Metric, each_class, mean_of_classes

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips

FEW = 16
"""Clips of a class up to which a product of matrices is faster than sorting all clips."""


class MeanAveragePrecision(Metric):
    """Mean over the classes that occur of the average precision of each against the rest."""

    title = "mAP"
    of = "scores"
    order = 40
    citation = "Gemmeke et al., Audio Set, ICASSP 2017"
    biased_upwards = True

    def values(self, clips: WeightedClips) -> FloatArray:
        """NaN where no class occurs."""
        return mean_of_classes(clips.average_precision)


def average_precision(
    truth: npt.ArrayLike, probabilities: npt.ArrayLike, weights: FloatArray
) -> FloatArray:
    """Average precision of every class, see `each_class`.

    Returns
    -------
    ndarray, shape (D, C)
        In [0, 1]: the sum over clips of the class of the precision down to that clip and those of
        equal score, as scikit-learn has it. NaN where no clip of the class counts.
    """
    return each_class(_average_precision, truth, probabilities, weights)


def _average_precision(
    of_class: npt.NDArray[np.bool_], score: FloatArray, weights: FloatArray
) -> FloatArray | float:
    n_of_class = int(of_class.sum())
    if not n_of_class:
        return np.nan
    # a threshold takes all clips of equal score: count down to the last of them
    if n_of_class <= FEW:
        is_taken = (score >= score[of_class][:, None]).astype(np.float64)
        counted = weights.T[of_class]
        taken, hits = is_taken @ weights.T, is_taken[:, of_class] @ counted
    else:
        order = np.argsort(-score, kind="stable")
        at = np.flatnonzero(of_class[order])
        falling = -score[order]
        last = np.searchsorted(falling, falling[at], side="right") - 1
        times = weights.T[order]  # a row a clip: sums over clips then run along memory
        taken, counted = times.cumsum(axis=0)[last], times[at]
        hits = counted.cumsum(axis=0)[np.searchsorted(at, last, side="right") - 1]
    precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
    total = counted.sum(axis=0)
    total[total == 0] = np.nan
    mean: FloatArray = (precision * counted).sum(axis=0) / total
    return mean
