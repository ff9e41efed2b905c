"""Window scores to events: thresholds, hysteresis, merging over gaps, minimum length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.detection.settings import DetectionSettings
from faunashot.recogniser import UNKNOWN, WindowScores

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

ROUNDING_S = 1e-6
"""Times that differ by less are the same."""

FURTHER = {"mean_score": "float64", "windows": "int64", "taken_for": "str"}
"""Columns of ours behind those of every table of events: the mean score over the windows of an
event, how many they are, and of an unknown one the class that it would have been taken for."""

_RUN = np.dtype(
    [
        ("class", np.intp),
        ("first", np.intp),
        ("last", np.intp),
        ("parted", np.bool_),
        ("start_s", np.float64),
        ("end_s", np.float64),
        ("score", np.float64),
        ("sum", np.float64),
        ("windows", np.int64),
        ("reached", np.bool_),
        ("least_unknown", np.float64),
        ("taken_for", np.intp),
    ]
)
"""A run of windows in which a class goes on: numbers of its first and last window, whether audio is
missing before it, whether the class's threshold is reached in it, how unlike what was learned the
likest of its windows is, and the number of the class."""


class EventFinder:
    """Finds the events of one recording in the scores of its windows, which come part by part.

    What is found does not depend on where the parts begin. Events of one class never overlap.

    Parameters
    ----------
    classes : sequence of str, length C
    thresholds : ndarray, shape (C,)
        Score from which on a window is taken for one of each class.
    settings : DetectionSettings
        How events are made; its thresholds are not looked at.
    unknown_threshold : float, optional
        Score above which a window is like nothing that was learned. An event of which every window
        is so is unknown: one that is like something learned is a witness for all of it.
    """

    def __init__(
        self,
        classes: Sequence[str],
        thresholds: FloatArray,
        settings: DetectionSettings,
        *,
        unknown_threshold: float | None = None,
    ) -> None:
        self._names = np.array([*classes, UNKNOWN], dtype=object)
        self._high = np.asarray(thresholds, dtype=np.float64)
        self._low = self._high * settings.go_on
        self._settings = settings
        ignored = unknown_threshold is None or settings.unknown == "ignore"
        self._unknown_above = np.inf if ignored else unknown_threshold
        self._runs: list[npt.NDArray[np.void]] = []
        self._n, self._end_s = 0, -np.inf

    def add(self, found: WindowScores) -> None:
        """Take the scores of the next windows, in order of time."""
        n = len(found.start_s)
        if not n:
            return
        before = np.concatenate([[self._end_s], found.end_s[:-1]])
        parted = found.start_s > before + ROUNDING_S
        runs = self._runs_in(found, parted)
        runs["first"] += self._n
        runs["last"] += self._n
        self._runs.append(runs)
        self._n, self._end_s = self._n + n, float(found.end_s[-1])

    def finish(self) -> pd.DataFrame:
        """Events, in order of time: label, start_s, end_s, score and `FURTHER`."""
        runs = np.concatenate([np.zeros(0, _RUN), *self._runs])
        runs = runs[np.lexsort((runs["first"], runs["class"]))]
        same = runs["class"][1:] == runs["class"][:-1]
        goes_on = (runs["first"][1:] == runs["last"][:-1] + 1) & ~runs["parted"][1:]
        runs = _merged(runs, same & goes_on)
        runs = self._known(runs[runs["reached"]])
        gap_s = runs["start_s"][1:] - _ends_so_far(runs)[:-1]
        same = runs["class"][1:] == runs["class"][:-1]
        runs = _merged(runs, same & (gap_s <= self._settings.gap_s + ROUNDING_S))
        runs = runs[runs["end_s"] - runs["start_s"] >= self._settings.min_s - ROUNDING_S]
        runs = runs[np.lexsort((runs["class"], runs["start_s"]))]
        is_unknown = runs["class"] == len(self._names) - 1
        taken_for = np.where(is_unknown, self._names[runs["taken_for"]], "")
        return pd.DataFrame(
            {
                "label": pd.Series(self._names[runs["class"]], dtype="str"),
                **{name: runs[name] for name in ("start_s", "end_s", "score")},
                "mean_score": runs["sum"] / runs["windows"],
                "windows": runs["windows"],
                "taken_for": pd.Series(taken_for, dtype="str"),
            }
        )

    def _runs_in(self, found: WindowScores, parted: BoolArray) -> npt.NDArray[np.void]:
        """Runs of windows in which a class goes on."""
        n = len(found.start_s)
        scores = found.scores.T.ravel()  # a class after the other
        goes_on = found.scores >= self._low
        after = np.zeros((1, goes_on.shape[1]), dtype=bool)
        begins = goes_on & (~np.vstack([after, goes_on[:-1]]) | parted[:, None])
        ends = goes_on & ~np.vstack([goes_on[1:] & ~parted[1:, None], after])
        begin, end = (np.flatnonzero(of.T) for of in (begins, ends))
        runs = np.zeros(len(begin), _RUN)
        if not len(begin):
            return runs
        runs["class"], runs["first"] = np.divmod(begin, n)
        runs["taken_for"] = runs["class"]
        runs["last"] = end % n
        runs["parted"] = parted[runs["first"]]
        runs["start_s"] = found.start_s[runs["first"]]
        runs["end_s"] = found.end_s[runs["last"]]
        runs["score"] = _of_each(np.maximum, scores, begin, end)
        runs["sum"] = _of_each(np.add, scores, begin, end)
        runs["windows"] = end - begin + 1
        runs["reached"] = runs["score"] >= self._high[runs["class"]]
        runs["least_unknown"] = -np.inf
        if found.unknown_score is not None:
            strange = np.tile(found.unknown_score, found.scores.shape[1])
            runs["least_unknown"] = _of_each(np.minimum, strange, begin, end)
        return runs

    def _known(self, runs: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
        """Runs in order, those that are like nothing learned under the class of the unknown."""
        strange = runs["least_unknown"] > self._unknown_above
        if self._settings.unknown == "suppress":
            return runs[~strange]
        runs["class"][strange] = len(self._names) - 1
        return runs[np.lexsort((runs["start_s"], runs["class"]))]


def _ends_so_far(runs: npt.NDArray[np.void]) -> FloatArray:
    """Where the last has ended of the runs up to each of its class; unknown ones may overlap."""
    ends = runs["end_s"].copy()
    for at in np.flatnonzero(runs["class"][1:] == runs["class"][:-1]):
        ends[at + 1] = max(ends[at], ends[at + 1])
    return np.asarray(ends)


def _of_each(
    how: np.ufunc,
    values: npt.NDArray[np.generic],
    begin: npt.NDArray[np.intp],
    end: npt.NDArray[np.intp],
) -> npt.NDArray[np.generic]:
    """What `how` makes of the values from each begin to each end, which is among them."""
    at = np.column_stack([begin, end + 1]).ravel()
    return np.asarray(how.reduceat(np.append(values, values[-1:]), at)[::2])


def _merged(runs: npt.NDArray[np.void], follows: BoolArray) -> npt.NDArray[np.void]:
    """Runs in order, each of which but the first may belong to the one before, as one."""
    if not len(runs):
        return runs
    begins = np.concatenate([[True], ~follows])
    at = np.flatnonzero(begins)
    merged = runs[at].copy()
    for name in ("last", "end_s", "score", "reached"):
        merged[name] = np.maximum.reduceat(runs[name], at)
    merged["least_unknown"] = np.minimum.reduceat(runs["least_unknown"], at)
    for name in ("sum", "windows"):
        merged[name] = np.add.reduceat(runs[name], at)
    loudest_first = np.lexsort((-runs["score"], np.cumsum(begins)))
    merged["taken_for"] = runs["taken_for"][loudest_first][at]
    return merged
