"""Mean average precision: how well scores rank the clips of each class above the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from faunashot.evaluation.metrics.base import FloatArray, Metric, each_class, mean_of_classes

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips


class MeanAveragePrecision(Metric):
    """Mean over the classes that occur of the average precision of each against the rest."""

    title = "mAP"
    of = "scores"
    order = 40
    citation = "Gemmeke et al., Audio Set, ICASSP 2017"
    biased_upwards = True

    def values(self, clips: WeightedClips) -> FloatArray:
        """NaN where no class occurs."""
        return mean_of_classes(average_precision(clips.targets, clips.probabilities, clips.weights))


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
    order = np.argsort(-score, kind="stable")
    at = np.flatnonzero(of_class[order])
    if not at.size:
        return np.nan
    # a threshold takes all clips of equal score: count down to the last of them
    falling = -score[order]
    last = np.searchsorted(falling, falling[at], side="right") - 1
    times = weights.T[order]  # a row a clip: sums over clips then run along memory
    taken = times.cumsum(axis=0)[last]
    counted = times[at]
    hits = counted.cumsum(axis=0)[np.searchsorted(at, last, side="right") - 1]
    precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
    total = counted.sum(axis=0)
    total[total == 0] = np.nan
    mean: FloatArray = (precision * counted).sum(axis=0) / total
    return mean
