"""Mean area under the ROC curve: how often a clip of a class scores above one that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from faunashot.evaluation.metrics.base import FloatArray, Metric, aligned, mean_of_classes

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


def roc_auc(
    truth: npt.NDArray[np.bool_], probabilities: FloatArray, weights: FloatArray
) -> FloatArray:
    """Area under the ROC curve of every class against the rest, for many weightings at once.

    Parameters
    ----------
    truth : ndarray of bool, shape (N, C)
        Whether a clip is of a class.
    probabilities : ndarray, shape (N, C)
        Or any scores: only their order within a class counts.
    weights : ndarray, shape (D, N)
        How often each clip counts.

    Returns
    -------
    ndarray, shape (D, C)
        In [0, 1]; NaN where no clip of the class counts, or none that is not of it.

    Raises
    ------
    ParameterError
        If shapes do not fit.
    """
    is_true, given = aligned(truth, probabilities, weights)
    found = np.full((len(weights), is_true.shape[1]), np.nan)
    for column, (of_class, score) in enumerate(zip(is_true.T, given.T, strict=True)):
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
        found[:, column] = won / np.where(pairs > 0, pairs, np.nan)
    return found
