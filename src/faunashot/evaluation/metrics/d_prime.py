"""d-prime: the separation of scores that the mean area under the ROC curve speaks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faunashot.evaluation.metrics.base import FloatArray, Metric
from faunashot.evaluation.metrics.mauc import MeanAuc

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips

CLOSEST = 1e-6
"""How near to 0 and to 1 the area is let come, where d-prime would be infinite."""


class DPrime(Metric):
    """Distance of two normal distributions, in their standard deviations, of the same mAUC."""

    title = "d-prime"
    of = "scores"
    single_label = False
    range = (-6.7226, 6.7226)
    order = 60
    citation = "Hershey et al., CNN architectures for large-scale audio classification, ICASSP 2017"

    def values(self, clips: WeightedClips) -> FloatArray:
        """0 is chance; NaN where there is no mAUC."""
        from scipy.special import ndtri

        area = MeanAuc().values(clips).clip(CLOSEST, 1 - CLOSEST)
        distance: FloatArray = np.sqrt(2.0) * ndtri(area)
        return distance
