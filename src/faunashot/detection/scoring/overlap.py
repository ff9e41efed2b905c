"""Which detection is of which annotation: by how much of their time they share."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from faunashot.errors import ParameterError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

Criterion = Literal["iou", "covered", "any"]
"""What is compared with the least overlap: the time that both share over the time that either has
(intersection over union), the part of the annotation that is covered, or nothing: any overlap."""

Matching = Literal["greedy", "optimal"]
"""Detections choose in the order of their scores, or as many pairs as possible are made."""


class Events(NamedTuple):
    """Events of one side; those of another recording or label are never compared.

    Attributes
    ----------
    group : ndarray of int, shape (n,)
        Number of what an event is compared within.
    start_s, end_s : ndarray, shape (n,)
    """

    group: IntArray
    start_s: FloatArray
    end_s: FloatArray


class Pairs(NamedTuple):
    """Detections and annotations that overlap enough.

    Attributes
    ----------
    detection, annotation : ndarray of int, shape (p,)
        Their numbers.
    overlap : ndarray, shape (p,)
        By which they were compared, in (0, 1]; 1 where any overlap is enough.
    """

    detection: IntArray
    annotation: IntArray
    overlap: FloatArray


def overlapping(
    detections: Events, annotations: Events, *, criterion: Criterion = "iou", least: float = 0.5
) -> Pairs:
    """All pairs within a group whose overlap is at least `least`.

    Parameters
    ----------
    detections, annotations : Events
        With times of 0 or later.
    criterion : str
        See `Criterion`. With ``any``, an event of no length overlaps what it lies in; by the other
        criteria it overlaps nothing.
    least : float
        In (0, 1].

    Raises
    ------
    ParameterError
        `least` is out of range.

    References
    ----------
    Mesaros, Heittola and Virtanen, "Metrics for polyphonic sound event detection", Applied
    Sciences 6(6), 2016: event-based figures. Bilen et al., "A framework for the robust evaluation
    of sound event detection", ICASSP 2020: overlap in place of collars about onsets.
    """
    if not 0 < least <= 1:
        raise ParameterError(f"least overlap: {least:g}; needs to lie above 0 and not above 1")
    last = max(detections.end_s.max(initial=0.0), annotations.end_s.max(initial=0.0))
    d, a = _candidates(_apart(detections, last + 1), _apart(annotations, last + 1))
    begin = np.maximum(detections.start_s[d], annotations.start_s[a])
    end = np.minimum(detections.end_s[d], annotations.end_s[a])
    shared = end - begin
    lasts = annotations.end_s[a] - annotations.start_s[a]
    of_detection = detections.end_s[d] - detections.start_s[d]
    if criterion == "any":
        is_point = (lasts == 0) | (of_detection == 0)
        kept = (shared > 0) | (is_point & (shared == 0))
        return Pairs(d[kept], a[kept], np.ones(int(kept.sum())))
    whole = lasts if criterion == "covered" else lasts + of_detection - shared
    overlap = np.divide(shared, whole, out=np.zeros(len(d)), where=(whole > 0) & (shared > 0))
    kept = overlap >= least - 1e-9  # times are decimals, which binary numbers miss by a little
    return Pairs(d[kept], a[kept], overlap[kept])


def one_to_one(
    pairs: Pairs, order: FloatArray, n_annotations: int, *, matching: Matching = "greedy"
) -> Pairs:
    """Pairs in which each event stands once.

    Parameters
    ----------
    pairs : Pairs
        Those that may be made.
    order : ndarray, shape (n_detections,)
        Scores: where the matching is greedy, the detection of the highest score takes the
        annotation that it overlaps most of those that are left, then the next one does. So what is
        matched above a threshold does not depend on what lies below.
    n_annotations : int
        Of all.
    matching : str
        See `Matching`.
    """
    if matching == "optimal":
        return _most(pairs, len(order), n_annotations)
    rank = np.lexsort((-pairs.overlap, -order[pairs.detection]))
    free_detection = np.ones(len(order), dtype=bool)
    free_annotation = np.ones(n_annotations, dtype=bool)
    kept = []
    detections, annotations = pairs.detection.tolist(), pairs.annotation.tolist()
    for at in rank.tolist():
        detection, annotation = detections[at], annotations[at]
        if free_detection[detection] and free_annotation[annotation]:
            free_detection[detection] = free_annotation[annotation] = False
            kept.append(at)
    return _kept(pairs, np.array(kept, dtype=np.int64))


def _most(pairs: Pairs, n_detections: int, n_annotations: int) -> Pairs:
    """As many pairs as can be made, by Hopcroft and Karp."""
    weights = np.ones(len(pairs.detection))
    graph = csr_array(
        (weights, (pairs.detection, pairs.annotation)), shape=(n_detections, n_annotations)
    )
    partner = maximum_bipartite_matching(graph, perm_type="column")
    kept = partner[pairs.detection] == pairs.annotation
    return _kept(pairs, kept)


def _kept(pairs: Pairs, which: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Pairs:
    return Pairs(pairs.detection[which], pairs.annotation[which], pairs.overlap[which])


def _apart(events: Events, length_s: float) -> tuple[FloatArray, FloatArray]:
    """Beginnings and ends on one line on which groups lie one after the other."""
    shift = events.group * length_s
    return events.start_s + shift, events.end_s + shift


def _candidates(
    detections: tuple[FloatArray, FloatArray], annotations: tuple[FloatArray, FloatArray]
) -> tuple[IntArray, IntArray]:
    """All pairs that may overlap, and few that do not: one binary search for each detection."""
    order = np.argsort(annotations[0], kind="stable")
    starts = annotations[0][order]
    ends = np.maximum.accumulate(annotations[1][order]) if len(order) else starts
    slack = 1e-6  # of the addition on a long line
    first = np.searchsorted(ends, detections[0] - slack, side="left")
    stop = np.searchsorted(starts, detections[1] + slack, side="right")
    counts = np.maximum(stop - first, 0)
    detection = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    annotation = order[np.repeat(first, counts) + within]
    shares = (annotations[0][annotation] <= detections[1][detection] + slack) & (
        annotations[1][annotation] >= detections[0][detection] - slack
    )
    return detection[shares], annotation[shares]
