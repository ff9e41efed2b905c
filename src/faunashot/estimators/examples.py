"""What is learned from or scored: clips with their features and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from faunashot.features.store import Features
from faunashot.targets import target_matrix

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Examples:
    """Clips with their windows and targets; the windows stay on disk until they are read.

    Attributes
    ----------
    clip_ids : tuple of str, length n
    labels : ndarray of str, shape (n,)
        Class name of each clip; names joined by ``;`` where `multi_label`. Empty where unknown.
    groups : ndarray of str, shape (n,)
        Source recording of each clip.
    classes : tuple of str, length C
        Columns of `targets`.
    multi_label : bool
        Whether a clip may carry several classes, or none.
    features : Features
        Of all clips of the corpus.
    rows : ndarray of int, shape (N,)
        Rows of `features` that are windows of these clips, clip after clip.
    counts : ndarray of int, shape (n,)
        Windows of each clip; they add up to N.
    clip_weights : ndarray, shape (n,), optional
        Weight of each clip in learning; equal if not given.
    """

    clip_ids: tuple[str, ...]
    labels: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    classes: tuple[str, ...]
    multi_label: bool
    features: Features
    rows: npt.NDArray[np.intp]
    counts: npt.NDArray[np.intp]
    clip_weights: FloatArray | None = None
    _means: npt.NDArray[np.float32] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.clip_ids)

    @classmethod
    def of_recording(cls, features: Features, classes: Sequence[str]) -> Examples:
        """The one recording that features are of, whose label is not known."""
        n = len(features.index)
        return cls(
            clip_ids=("",),
            labels=np.array([""]),
            groups=np.array([""]),
            classes=tuple(classes),
            multi_label=True,
            features=features,
            rows=np.arange(n),
            counts=np.array([n]),
        )

    @cached_property
    def targets(self) -> npt.NDArray[np.float32]:
        """Which classes each clip is of, shape (n, C), 0 and 1."""
        return target_matrix(list(self.labels), self.classes, multi_label=self.multi_label)

    @property
    def clip_of(self) -> npt.NDArray[np.intp]:
        """Number of the clip that each window is of, shape (N,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @cached_property
    def coverage(self) -> FloatArray:
        """Share of each window in its clip by the seconds that it covers, shape (N,).

        The shares of a clip sum to 1.
        """
        start_s, end_s = (
            self.features.index[name].to_numpy()[self.rows] for name in ("start_s", "end_s")
        )
        covered_s = end_s - start_s
        first = np.cumsum([0, *self.counts[:-1]])
        return np.asarray(covered_s / np.repeat(np.add.reduceat(covered_s, first), self.counts))

    def windows(self) -> npt.NDArray[np.float32]:
        """Features of the windows, shape (N, dim), read now."""
        return np.asarray(self.features.windows[self.rows])

    def means(self) -> npt.NDArray[np.float32]:
        """Mean feature of each clip by the seconds that its windows cover, shape (n, dim)."""
        if self._means is not None:
            return self._means
        first = np.cumsum([0, *self.counts[:-1]])
        weighted = self.coverage[:, None] * self.windows().astype(np.float64)
        return np.asarray(np.add.reduceat(weighted, first, axis=0), dtype=np.float32)

    def select(self, at: npt.NDArray[np.intp] | Sequence[int]) -> Examples:
        """The clips with these numbers, in their order."""
        chosen = np.asarray(at, dtype=np.intp)
        ends = np.cumsum(self.counts)
        rows = [self.rows[ends[i] - self.counts[i] : ends[i]] for i in chosen]
        return replace(
            self,
            clip_ids=tuple(self.clip_ids[i] for i in chosen),
            labels=self.labels[chosen],
            groups=self.groups[chosen],
            rows=np.concatenate(rows) if rows else np.zeros(0, dtype=np.intp),
            counts=self.counts[chosen],
            clip_weights=None if self.clip_weights is None else self.clip_weights[chosen],
            _means=None if self._means is None else self._means[chosen],
        )


@dataclass(frozen=True)
class Scores:
    """What an estimator says of windows and of the clips that they are of.

    Attributes
    ----------
    classes : tuple of str, length C
    windows : ndarray, shape (N, C)
        Score of each class in each window.
    clips : ndarray, shape (n, C)
        The same of whole clips: of those that learn from clips the score of the mean feature, of
        those that learn from windows the pooled scores.
    """

    classes: tuple[str, ...]
    windows: FloatArray
    clips: FloatArray
