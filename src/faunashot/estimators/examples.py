"""What is learned from or scored: clips with their features and targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features
from faunashot.targets import class_names, target_matrix

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
    of_target : ndarray of bool, shape (n,), optional
        Whether each clip is of the corpus that is scored; all are if not given.
    corpus_means : array-like, shape (M, dim), optional
        Mean features of the clips of the whole corpus, and in `at` which of them these clips are;
        made from the windows if not given.
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
    of_target: npt.NDArray[np.bool_] | None = None
    corpus_means: Any = field(default=None, repr=False)
    at: npt.NDArray[np.intp] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.clip_ids)

    @classmethod
    def of_recording(
        cls, features: Features, classes: Sequence[str], *, multi_label: bool = False
    ) -> Examples:
        """The one recording that features are of; its label is not known, so it has no targets."""
        n = len(features.index)
        return cls(
            clip_ids=("",),
            labels=np.array([""]),
            groups=np.array([""]),
            classes=tuple(classes),
            multi_label=multi_label,
            features=features,
            rows=np.arange(n),
            counts=np.array([n]),
        )

    @classmethod
    def of_rows(
        cls,
        X: npt.NDArray[Any],
        labels: Sequence[str],
        *,
        groups: Sequence[str] | None = None,
        weights: npt.ArrayLike | None = None,
        multi_label: bool = False,
    ) -> Examples:
        """Clips of one window each, from arrays.

        Parameters
        ----------
        X : ndarray, shape (n, dim)
            Features.
        labels : sequence of str, length n
        groups : sequence of str, length n, optional
            Source recordings; each clip its own if not given.
        weights : array-like, shape (n,), optional
            Of the clips.
        multi_label : bool
            Whether a label holds several names.
        """
        n, dim = X.shape
        ids = [str(number) for number in range(n)]
        index = pd.DataFrame({"clip_id": ids, "start_s": 0.0, "end_s": 1.0})
        made_by = FeatureSpec("rows", "", "", 1, 1.0, 1.0, dim)
        return cls(
            clip_ids=tuple(ids),
            labels=np.asarray(labels, dtype=str),
            groups=np.asarray(ids if groups is None else groups, dtype=str),
            classes=tuple(class_names(labels, multi_label=multi_label)),
            multi_label=multi_label,
            features=Features(np.asarray(X), index, made_by),
            rows=np.arange(n),
            counts=np.ones(n, dtype=np.intp),
            clip_weights=None if weights is None else np.asarray(weights, dtype=np.float64),
            corpus_means=np.asarray(X),
            at=np.arange(n),
        )

    @cached_property
    def targets(self) -> npt.NDArray[np.float32]:
        """Which classes each clip is of, shape (n, C), 0 and 1."""
        return target_matrix(list(self.labels), self.classes, multi_label=self.multi_label)

    @property
    def clip_of(self) -> npt.NDArray[np.intp]:
        """Number of the clip that each window is of, shape (N,)."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def first(self) -> npt.NDArray[np.intp]:
        """Number of the first window of each clip, shape (n,)."""
        return np.asarray(np.cumsum(self.counts) - self.counts)

    @cached_property
    def coverage(self) -> FloatArray:
        """Share of each window in its clip by the seconds that it covers, shape (N,).

        The shares of a clip sum to 1.
        """
        covered_s = covered_seconds(self.features)[self.rows]
        totals = [part.sum() for part in np.split(covered_s, self.first[1:])]
        return np.asarray(covered_s / np.repeat(totals, self.counts))

    def windows(self) -> npt.NDArray[np.float32]:
        """Features of the windows, shape (N, dim), read now."""
        return np.asarray(self.features.windows[self.rows])

    def means(self) -> npt.NDArray[np.float32]:
        """Mean feature of each clip by the seconds that its windows cover, shape (n, dim)."""
        if self.corpus_means is not None:
            return np.asarray(self.corpus_means[self.at])
        return clip_means(self.features, self.rows, self.counts)

    def some_windows(
        self, n: int, *, of: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """At most `n` windows of each of some clips, evenly apart, and the clip each is of."""
        first, picked = self.first, []
        for at in of:
            rows = self.rows[first[at] : first[at] + self.counts[at]]
            picked.append(rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int)])
        clip_of = np.repeat(of, [len(rows) for rows in picked])
        return np.asarray(self.features.windows[np.concatenate(picked)]), clip_of

    def select(self, at: npt.NDArray[np.intp] | Sequence[int]) -> Examples:
        """The clips with these numbers, in their order."""
        chosen = np.asarray(at, dtype=np.intp)
        counts = self.counts[chosen]

        def picked(values: Any) -> Any:
            return None if values is None else values[chosen]

        return replace(
            self,
            clip_ids=tuple(self.clip_ids[i] for i in chosen),
            labels=self.labels[chosen],
            groups=self.groups[chosen],
            rows=self.rows[spans(self.first[chosen], counts)],
            counts=counts,
            clip_weights=picked(self.clip_weights),
            of_target=picked(self.of_target),
            at=picked(self.at),
        )


class MeanRows:
    """Mean features of clips as rows, gathered when they are read: of a large corpus they are much.

    Parameters
    ----------
    examples : Examples
    """

    dtype = np.dtype(np.float32)

    def __init__(self, examples: Examples) -> None:
        self._means, at = examples.corpus_means, examples.at
        if self._means is None or at is None:
            self._means, at = examples.means(), np.arange(len(examples))
        self._at = at
        self.shape = (len(examples), examples.features.spec.dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._means[self._at], dtype=dtype)

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        return np.asarray(self._means[self._at[key]])


class CorpusMeans:
    """Mean features of the clips of a corpus as rows, made when one is first read.

    Those who learn from windows never read any, and of raw waveforms they would fill the memory.

    Parameters
    ----------
    features, rows, counts
        As of `clip_means`.
    """

    dtype = np.dtype(np.float32)

    def __init__(
        self, features: Features, rows: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]
    ) -> None:
        self._of = features, rows, counts
        self.shape = (len(counts), features.spec.dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self._made, dtype=dtype)

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        return np.asarray(self._made[key])

    @cached_property
    def _made(self) -> npt.NDArray[np.float32]:
        return clip_means(*self._of)


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


def spans(starts: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Numbers from each start on, so many of each, one span after the other.

    Examples
    --------
    >>> spans(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(counts) - counts
    return np.asarray(np.repeat(starts - before, counts) + np.arange(counts.sum()), dtype=np.intp)


def covered_seconds(features: Features) -> FloatArray:
    """Seconds of its recording that each window covers, shape (N,)."""
    end_s, start_s = (features.index[name].to_numpy() for name in ("end_s", "start_s"))
    return np.asarray(end_s - start_s)


def clip_means(
    features: Features, rows: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]
) -> npt.NDArray[np.float32]:
    """Mean feature of each clip by the seconds that its windows cover, shape (n, dim).

    A clip is read at a time, so that the windows need not be in memory together.
    """
    covered_s = covered_seconds(features)
    means = np.zeros((len(counts), features.spec.dim), np.float32)
    ends = np.cumsum(counts)
    for at, (start, end) in enumerate(zip(ends - counts, ends, strict=True)):
        of_clip = rows[start:end]
        seconds = covered_s[of_clip]
        means[at] = seconds @ features.windows[of_clip].astype(np.float64) / seconds.sum()
    return means
