"""Micro-F1: F1 over all pairs of a clip and a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faunashot.evaluation.metrics.base import FloatArray, Metric

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips


class MicroF1(Metric):
    """F1 of all decisions together; where a clip carries one label it is the accuracy."""

    title = "micro-F1"
    of = "labels"
    single_label = False
    order = 20
    citation = "Manning, Raghavan and Schuetze, Introduction to Information Retrieval, 2008, ch. 8"

    def values(self, clips: WeightedClips) -> FloatArray:
        """NaN where no class occurs and none is predicted."""
        hits, support, predicted = (each.sum(axis=-1) for each in clips.counts)
        total = support + predicted
        f1: FloatArray = 2.0 * hits / np.where(total > 0, total, np.nan)
        return f1
