"""Weighted F1: the mean F1 of the classes, each by its clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faunashot.evaluation.metrics.base import FloatArray, Metric

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips


class WeightedF1(Metric):
    """Mean F1 over classes, weighted by their support."""

    title = "weighted F1"
    of = "labels"
    multi_label = False
    order = 30
    citation = "Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008, ch. 8"

    def values(self, clips: WeightedClips) -> FloatArray:
        """NaN where no clip counts."""
        total = clips.counts.support.sum(axis=-1)
        f1 = (clips.counts.f1 * clips.counts.support).sum(axis=-1)
        mean: FloatArray = f1 / np.where(total > 0, total, np.nan)
        return mean
