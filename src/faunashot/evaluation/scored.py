"""Scored clips as matrices, under many weightings of them at once: what metrics are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError
from faunashot.evaluation.labels import FloatArray, IntArray, paired_codes
from faunashot.targets import target_matrix

BoolArray = npt.NDArray[np.bool_]


class Counts(NamedTuple):
    """Diagonal, row sums and column sums of a confusion matrix, each of shape (..., C).

    Attributes
    ----------
    hits : ndarray
        Clips of each class that were taken for it.
    support : ndarray
        Clips of each class.
    predicted : ndarray
        Clips that were taken for each class.
    """

    hits: FloatArray
    support: FloatArray
    predicted: FloatArray

    @property
    def precision(self) -> FloatArray:
        """Of every class, shape (..., C); 0 where it is never predicted."""
        share: FloatArray = self.hits / np.where(self.predicted > 0, self.predicted, 1)
        return share

    @property
    def recall(self) -> FloatArray:
        """Of every class, shape (..., C); 0 where it does not occur."""
        share: FloatArray = self.hits / np.where(self.support > 0, self.support, 1)
        return share

    @property
    def f1(self) -> FloatArray:
        """Of every class, shape (..., C); 0 where it does not occur."""
        total = np.where(self.support > 0, self.support + self.predicted, 1)
        share: FloatArray = 2.0 * self.hits / total
        return share


OF_CLASS = ("precision", "recall", "f1")
"""Figures that every class has of its own, by the names that `Counts` has them under."""

OF_SCORES = "average_precision"
"""The figure of a class that needs probabilities."""


@dataclass(frozen=True)
class ScoredClips:
    """Clips, or windows, with the classes that each was taken for.

    Attributes
    ----------
    targets, predicted : ndarray of bool, shape (N, C)
        Which classes each is of, and which it was taken for.
    part : ndarray of int, shape (N,)
        Number from 0 on of the part (source recording, episode) that each is of.
    probabilities : ndarray, shape (N, C)
        Empty, of shape (N, 0), where only labels are known.
    """

    targets: BoolArray
    predicted: BoolArray
    part: IntArray
    probabilities: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def of_labels(
        cls,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        classes: Sequence[str],
        *,
        part: IntArray | None = None,
        multi_label: bool = False,
    ) -> ScoredClips:
        """Clips of which only labels are known.

        Parameters
        ----------
        y_true, y_pred : array_like of str, shape (N,)
            Labels, or several of them joined where `multi_label`.
        classes : sequence of str, length C
            Every class that can be predicted.
        part : ndarray of int, shape (N,)
            What each is a part of; each by itself if not given.

        Raises
        ------
        ParameterError
            There is nothing to score, lengths differ, or a label is not one of `classes`.
        """
        if multi_label:
            true, pred = (np.asarray(y, dtype=object).tolist() for y in (y_true, y_pred))
            if not true or len(true) != len(pred):
                raise ParameterError(f"y_pred: {len(pred)} labels for {len(true)} in y_true")
            targets, taken_for = (
                target_matrix(y, classes, multi_label=True) > 0 for y in (true, pred)
            )
        else:
            one_hot = np.eye(len(classes), dtype=bool)
            targets, taken_for = (one_hot[c] for c in paired_codes(y_true, y_pred, classes))
        return cls(targets, taken_for, np.arange(len(targets)) if part is None else part)

    @property
    def n_parts(self) -> int:
        """How many parts there are, P."""
        return int(self.part.max()) + 1

    @cached_property
    def counts_by_part(self) -> FloatArray:
        """Counts of each part, shape (3, P, C); they add up over parts."""
        return counts_by(self.targets, self.predicted, self.part)

    def weighted(self, times: FloatArray) -> WeightedClips:
        """The clips under weightings, `times` (D, P) being how often each part counts."""
        return WeightedClips(self, times)


@dataclass(frozen=True)
class WeightedClips:
    """N clips under D weightings at once, such as the draws of a bootstrap, or episodes.

    Attributes
    ----------
    clips : ScoredClips
        The clips.
    times : ndarray, shape (D, P)
        How often each part of them counts.
    """

    clips: ScoredClips
    times: FloatArray

    @property
    def targets(self) -> BoolArray:
        """Which classes each clip is of, shape (N, C)."""
        return self.clips.targets

    @property
    def predicted(self) -> BoolArray:
        """Which classes each clip was taken for, shape (N, C)."""
        return self.clips.predicted

    @property
    def probabilities(self) -> FloatArray:
        """Of each clip and class, shape (N, C)."""
        return self.clips.probabilities

    @cached_property
    def weights(self) -> FloatArray:
        """How often each clip counts, shape (D, N), in memory clip by clip."""
        of_clip: FloatArray = np.ascontiguousarray(self.times.T)[self.clips.part].T
        return of_clip

    @cached_property
    def counts(self) -> Counts:
        """Counts of each weighting, shape (D, C): all that most metrics of labels need."""
        return Counts(*(self.times @ self.clips.counts_by_part))

    @cached_property
    def average_precision(self) -> FloatArray:
        """Of every class against the rest, shape (D, C); NaN where no clip of it counts."""
        from faunashot.evaluation.metrics.map import average_precision

        return average_precision(self.targets, self.probabilities, self.weights)

    @property
    def of_classes(self) -> dict[str, FloatArray]:
        """Figures of every class by name, shape (D, C), those of scores where there are some."""
        found = ratios(self.counts)
        if self.probabilities.size:
            found[OF_SCORES] = self.average_precision
        return found


def counts_by(targets: BoolArray, predicted: BoolArray, part: IntArray) -> FloatArray:
    """Counts of every part of the clips.

    Parameters
    ----------
    targets, predicted : ndarray of bool, shape (N, C)
        Which classes each clip is of, and which it was taken for.
    part : ndarray of int, shape (N,)
        Number from 0 on of the part that each is of.

    Returns
    -------
    ndarray, shape (3, P, C)
        What `Counts` takes; they add up over parts.
    """
    n_parts, n_classes = int(part.max()) + 1, targets.shape[1]
    found = []
    for cells in (targets & predicted, targets, predicted):
        row, column = cells.nonzero()
        flat = part[row] * n_classes + column
        found.append(np.bincount(flat, minlength=n_parts * n_classes))
    return np.stack(found).reshape(3, n_parts, n_classes).astype(np.float64)


def ratios(counts: Counts) -> dict[str, FloatArray]:
    """Precision, recall and F1 of every class, shape (..., C).

    NaN where a class does not occur in a sample, which then says nothing about it; precision is 0
    where a class occurs but is never predicted.
    """
    occurs = np.where(counts.support > 0, 1.0, np.nan)
    return {name: occurs * getattr(counts, name) for name in OF_CLASS}
