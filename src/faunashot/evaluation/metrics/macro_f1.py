"""Macro-F1: the mean F1 of the classes that occur."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faunashot.evaluation.metrics.base import FloatArray, Metric

if TYPE_CHECKING:
    from faunashot.evaluation.scored import Counts, WeightedClips


class MacroF1(Metric):
    """Mean F1 over the classes that occur in the truth.

    A fold without a clip of a class says nothing about that class and must not count it as 0. A
    prediction of such a class is wrong all the same, and lowers the recall of the class it took
    the clip from. A class that occurs but is never predicted has F1 0.
    """

    title = "macro-F1"
    of = "labels"
    order = 10
    citation = "Opitz and Burst, Macro F1 and Macro F1, arXiv 1911.03347, 2019"

    def values(self, clips: WeightedClips) -> FloatArray:
        """NaN where no class occurs."""
        return macro_f1(clips.counts)


def macro_f1(counts: Counts) -> FloatArray:
    """Macro-F1 from counts of classes, shape (..., C) to (...)."""
    occurs = counts.support > 0
    total = occurs.sum(axis=-1)
    f1 = np.where(occurs, counts.f1, 0.0).sum(axis=-1)
    mean: FloatArray = f1 / np.where(total > 0, total, np.nan)
    return mean
