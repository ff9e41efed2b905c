"""Mean area under the ROC curve: how often a clip of a class scores above one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from faunashot.evaluation.metrics.base import FloatArray, Metric, each_class, mean_of_classes

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips


class MeanAuc(Metric):
    """Mean over classes of the area under the ROC curve of each against the rest."""

    title = "mAUC"
    of = "scores"
    single_label = False
    order = 50
    citation = "Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 27, 2006"

    def values(self, clips: WeightedClips) -> FloatArray:
        """NaN where no class has clips both of it and not."""
        return mean_of_classes(roc_auc(clips.targets, clips.probabilities, clips.weights))


def roc_auc(truth: npt.ArrayLike, probabilities: npt.ArrayLike, weights: FloatArray) -> FloatArray:
    """Area under the ROC curve of every class, see `each_class`.

    Returns
    -------
    ndarray, shape (D, C)
        In [0, 1]; NaN where no clip of the class counts, or none that is not of it.
    """
    return each_class(_roc_auc, truth, probabilities, weights)


def _roc_auc(of_class: npt.NDArray[np.bool_], score: FloatArray, weights: FloatArray) -> FloatArray:
    order = np.argsort(score, kind="stable")
    rising, is_of = score[order], of_class[order]
    times = weights[:, order]
    below = np.pad((times * ~is_of).cumsum(axis=1), ((0, 0), (1, 0)))
    at = np.flatnonzero(is_of)
    first = np.searchsorted(rising, rising[at], side="left")
    last = np.searchsorted(rising, rising[at], side="right")
    beaten = (below[:, first] + below[:, last]) / 2  # a tie counts half
    pairs = times[:, at].sum(axis=1) * below[:, -1]
    won = (beaten * times[:, at]).sum(axis=1)
    area: FloatArray = won / np.where(pairs > 0, pairs, np.nan)
    return area
