"""Matched events counted by recording and label, and the figures that counts give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_STEPS, LEAST_STEPS, ALL_STEPS = 500, 50, 25_000
"""Different scores of a label that are told apart in draws, of few labels and of many, and of all
labels together. The value itself is exact."""

RATES = ("precision", "recall", "f1", "average_precision")


@dataclass(frozen=True)
class Tally:
    """Events of R recordings and C labels.

    Attributes
    ----------
    detection_recording, detection_label : ndarray of int, shape (n_detections,)
        Of each detection.
    annotation_recording, annotation_label : ndarray of int, shape (n_annotations,)
        Of each annotation.
    scores : ndarray, shape (n_detections,)
        Of each detection; NaN where it has none.
    right : ndarray of bool, shape (n_detections,)
        Whether it is of an annotation.
    gains : ndarray, shape (n_detections,)
        How many annotations it is the first of, from the highest score: as `right` where each is
        matched once.
    found : ndarray of bool, shape (n_annotations,)
        Whether a detection is of it.
    duration_s : ndarray, shape (R,)
        Of each recording; NaN where it is not known.
    n_labels : int
        C.
    """

    detection_recording: IntArray
    detection_label: IntArray
    annotation_recording: IntArray
    annotation_label: IntArray
    scores: FloatArray
    right: npt.NDArray[np.bool_]
    gains: FloatArray
    found: npt.NDArray[np.bool_]
    duration_s: FloatArray
    n_labels: int

    def within(self, recordings: IntArray) -> Tally:
        """The events of some recordings, which are numbered anew."""
        new = np.full(len(self.duration_s), -1)
        new[recordings] = np.arange(len(recordings))
        of_d, of_a = new[self.detection_recording], new[self.annotation_recording]
        d, a = of_d >= 0, of_a >= 0
        return Tally(
            of_d[d], self.detection_label[d], of_a[a], self.annotation_label[a], self.scores[d],
            self.right[d], self.gains[d], self.found[a], self.duration_s[recordings], self.n_labels,
        )  # fmt: skip


class Figures:
    """Figures of a tally, for any draw of its recordings.

    Called with how often each recording counts, shape (D, R), it gives by name arrays of shape
    (D, 2 + C): of all events together (micro), the mean over labels that are annotated (macro), and
    of each label; the average precision where `ranked`.
    """

    def __init__(self, tally: Tally, *, ranked: bool = True) -> None:
        self._hours = np.nan_to_num(tally.duration_s) / 3600
        self._timed = bool(len(tally.duration_s)) and not np.isnan(tally.duration_s).any()
        self._n = tally.n_labels
        self._right = _summed(tally, tally.right)
        self._detected = _summed(tally, np.ones(len(tally.right), dtype=bool))
        self._found = _counted(tally, tally.found)
        self._annotated = _counted(tally, np.ones(len(tally.found), dtype=bool))
        self._ranked = _Ranked(tally) if ranked else None

    def __call__(self, times: FloatArray) -> dict[str, FloatArray]:
        """Figures of each draw; NaN where there is nothing to judge by."""
        right, detected = _drawn(times, self._right), _drawn(times, self._detected)
        found, annotated = _drawn(times, self._found), _drawn(times, self._annotated)
        together = [np.concatenate([of.sum(1, keepdims=True), of], 1) for of in (right, detected)]
        precision = _ratio(*together)
        together = [np.concatenate([of.sum(1, keepdims=True), of], 1) for of in (found, annotated)]
        recall = _ratio(*together)
        f1 = _ratio(2 * np.nan_to_num(precision) * recall, np.nan_to_num(precision) + recall)
        f1 = np.where(np.isnan(f1) & ~np.isnan(recall), 0.0, f1)
        figures = {"precision": precision, "recall": recall, "f1": f1}
        if self._ranked is not None:
            figures["average_precision"] = self._ranked(times, annotated)
        if self._timed:
            wrong = detected - right
            per_hour = _ratio(wrong, (times @ self._hours)[:, None])
            figures["false_alarms_per_hour"] = np.concatenate(
                [per_hour.sum(1, keepdims=True), per_hour], 1
            )
        occurs = annotated > 0
        return {name: _with_macro(of, occurs) for name, of in figures.items()}


def counts(tally: Tally) -> pd.DataFrame:
    """Detections, annotations, and how many of them matched, by recording and label.

    Returns
    -------
    DataFrame
        With columns ``recording`` and ``label`` (numbers), ``detected``, ``right``, ``annotated``
        and ``found``, without pairs of recording and label that have no event.
    """
    keys = ["recording", "label"]
    detected = pd.DataFrame(
        {"recording": tally.detection_recording, "label": tally.detection_label,
         "detected": 1, "right": tally.right.astype(int)}
    )  # fmt: skip
    annotated = pd.DataFrame(
        {"recording": tally.annotation_recording, "label": tally.annotation_label,
         "annotated": 1, "found": tally.found.astype(int)}
    )  # fmt: skip
    both = detected.groupby(keys).sum().join(annotated.groupby(keys).sum(), how="outer")
    return both.fillna(0).astype(int).reset_index()


class _Ranked:
    """Average precision of draws: detections of each label by their scores, in steps."""

    def __init__(self, tally: Tally) -> None:
        self._n = tally.n_labels
        self._has_scores = bool(len(tally.scores)) and not np.isnan(tally.scores).any()
        if not self._has_scores:
            return
        most = max(LEAST_STEPS, min(MOST_STEPS, ALL_STEPS // max(self._n, 1)))
        steps = np.zeros(len(tally.scores), dtype=np.int64)
        for label in range(self._n):
            of = tally.detection_label == label
            if of.any():
                steps[of] = _steps(tally.scores[of], most)
        self._steps = int(steps.max(initial=0)) + 1
        column = tally.detection_label * self._steps + steps
        shape = (len(tally.duration_s), self._n * self._steps)
        weights = np.ones(len(column))
        self._all = csr_array((weights, (tally.detection_recording, column)), shape=shape)
        self._right, self._gains = (
            csr_array((of.astype(np.float64), (tally.detection_recording, column)), shape=shape)
            for of in (tally.right, tally.gains)
        )

    def __call__(self, times: FloatArray, annotated: FloatArray) -> FloatArray:
        """Of all labels together, then of each, shape (D, 1 + C); together it is not told."""
        nan = np.full((len(times), 1 + self._n), np.nan)
        if not self._has_scores:
            return nan
        shape = (len(times), self._n, self._steps)
        right = np.cumsum(_drawn(times, self._right).reshape(shape), axis=2)
        every = np.cumsum(_drawn(times, self._all).reshape(shape), axis=2)
        gained = _drawn(times, self._gains).reshape(shape)
        precision = np.divide(right, every, out=np.zeros_like(right), where=every > 0)
        nan[:, 1:] = _ratio((gained * precision).sum(axis=2), annotated)
        return nan


def _steps(scores: FloatArray, most: int) -> IntArray:
    """Number of each score from the highest, equal ones alike; of many, neighbours together."""
    values, at = np.unique(-scores, return_inverse=True)
    if len(values) <= most:
        return at.astype(np.int64)
    rank = np.searchsorted(np.sort(-scores), values, side="left") / len(scores)
    return np.minimum(rank[at] * most, most - 1).astype(np.int64)


def average_precision(
    scores: FloatArray,
    right: npt.NDArray[np.bool_],
    n_annotated: int,
    *,
    gains: FloatArray | None = None,
) -> float | None:
    """Area below precision over recall, in steps; what is never detected counts as missed.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Of the detections of a label.
    right : ndarray of bool, shape (n,)
        Whether each is of an annotation.
    n_annotated : int
        Annotations, also those that no detection is of.
    gains : ndarray, shape (n,), optional
        How many annotations each is the first of; as `right` if not given.

    Returns
    -------
    float or None
        In [0, 1]; None where there is no annotation, or a detection without a score.

    References
    ----------
    Everingham et al., "The Pascal visual object classes (VOC) challenge", International Journal of
    Computer Vision 88, 2010; in steps, as scikit-learn's ``average_precision_score``.
    """
    if n_annotated == 0 or np.isnan(scores).any():
        return None
    _, at = np.unique(-scores, return_inverse=True)
    every, of_right = np.bincount(at), np.bincount(at, weights=right)
    gained = of_right if gains is None else np.bincount(at, weights=gains)
    precision = np.cumsum(of_right) / np.maximum(np.cumsum(every), 1)
    return float((gained * precision).sum() / n_annotated)


def _summed(tally: Tally, which: npt.NDArray[np.bool_]) -> csr_array:
    shape = len(tally.duration_s), tally.n_labels
    at = tally.detection_recording[which], tally.detection_label[which]
    return csr_array((np.ones(len(at[0])), at), shape=shape)


def _counted(tally: Tally, which: npt.NDArray[np.bool_]) -> csr_array:
    shape = len(tally.duration_s), tally.n_labels
    at = tally.annotation_recording[which], tally.annotation_label[which]
    return csr_array((np.ones(len(at[0])), at), shape=shape)


def _drawn(times: FloatArray, counted: csr_array) -> FloatArray:
    return np.asarray((counted.T @ times.T).T, dtype=np.float64)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    shape = np.broadcast(part, whole).shape
    ratio = np.full(shape, np.nan)
    np.divide(part, whole, out=ratio, where=np.broadcast_to(whole, shape) > 0)
    return ratio


def _with_macro(figure: FloatArray, occurs: npt.NDArray[np.bool_]) -> FloatArray:
    """A figure of all, the mean over labels that are annotated, and that of each label."""
    of_labels = np.where(occurs, figure[:, 1:], np.nan)
    known = ~np.isnan(of_labels)
    macro = _ratio(np.where(known, of_labels, 0.0).sum(1), known.sum(1))
    return np.concatenate([figure[:, :1], macro[:, None], figure[:, 1:]], axis=1)
