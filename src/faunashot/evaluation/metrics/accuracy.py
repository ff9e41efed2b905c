"""Accuracy: the share of clips whose class is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faunashot.evaluation.metrics.base import FloatArray, Metric

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips


class Accuracy(Metric):
    """Share of the clips whose predicted class is the true one."""

    title = "accuracy"
    of = "labels"
    multi_label = False
    order = 20
    citation = "Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008, ch. 8"

    def values(self, clips: WeightedClips) -> FloatArray:
        """NaN where no clip counts."""
        total = clips.counts.support.sum(axis=-1)
        share: FloatArray = clips.counts.hits.sum(axis=-1) / np.where(total > 0, total, np.nan)
        return share
