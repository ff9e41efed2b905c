"""A stratified sample of detections, to be checked by ear.

The detections of a class are cut at scores into strata of which each holds half of what lies below
the next: the lowest half of them, the next quarter, and so on, as in Navine et al. 2024. As many
are drawn from each, so that the few of high scores, among which thresholds lie, are heard as often
as the many of low ones.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError

STRATA = 5

CHECK, STRATUM, WEIGHT, CLIP, CORRECT, REMARK = (
    "check", "stratum", "weight", "clip", "correct", "remark",
)  # fmt: skip
"""Columns of the sample beside those of a table of events: its number, the stratum from 1, lowest
scores first, how many detections it stands for, the file to listen to, and what is to be filled in.
"""

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stratum:
    """Detections of a class between two scores, and how many of them were drawn.

    Attributes
    ----------
    label : str
    stratum : int
        From 1, lowest scores first.
    low, high : float
        Lowest and highest score.
    detections, checks : int
        How many there are, and how many are drawn.
    """

    label: str
    stratum: int
    low: float
    high: float
    detections: int
    checks: int

    def facts(self) -> dict[str, Any]:
        """JSON-ready, with the weight of each that is drawn."""
        weight = self.detections / self.checks if self.checks else None
        return {**asdict(self), WEIGHT: weight}


@dataclass(frozen=True)
class Drawn:
    """A sample of detections, and what it was drawn from.

    Attributes
    ----------
    checks : DataFrame
        The drawn events in random order: who stops early has a smaller sample of the same kind.
    detections : DataFrame
        ``label, score, stratum`` of every detection, and ``check`` of those drawn, "" of others.
    strata : tuple of Stratum
    """

    checks: pd.DataFrame
    detections: pd.DataFrame
    strata: tuple[Stratum, ...]


def strata_of(scores: npt.ArrayLike, n_strata: int = STRATA) -> IntArray:
    """Stratum of each score, from 0, lowest first; equal scores are of one.

    There are fewer where scores are few or equal.

    Parameters
    ----------
    scores : array_like, shape (N,)
    n_strata : int
        At least 1.

    Examples
    --------
    >>> strata_of([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 3).tolist()
    [0, 0, 0, 0, 1, 1, 2, 2]
    """
    every = np.asarray(scores, np.float64)
    ordered = np.sort(every)
    below = np.round((1 - 0.5 ** np.arange(1, n_strata)) * len(every)).astype(int)
    cuts = np.unique(ordered[np.minimum(below, len(every) - 1)])
    number = np.searchsorted(cuts, every, side="right")
    return np.asarray(np.unique(number, return_inverse=True)[1], dtype=np.int64)


def allocated(sizes: npt.ArrayLike, n: int) -> IntArray:
    """How many of `n` are drawn from strata of such sizes: as many from each as it has.

    Examples
    --------
    >>> allocated([50, 25, 3], 30).tolist()
    [14, 13, 3]
    """
    room = np.asarray(sizes, np.int64).copy()
    taken = np.zeros_like(room)
    left = min(int(n), int(room.sum()))
    while left:
        open_ = np.flatnonzero(room > 0)
        each = np.zeros_like(room)
        each[open_] = left // len(open_)
        each[open_[: left % len(open_)]] += 1
        each = np.minimum(each, room)
        taken, room, left = taken + each, room - each, left - int(each.sum())
    return taken


def draw_checks(
    events: pd.DataFrame, per_class: int, *, n_strata: int = STRATA, seed: int = 0
) -> Drawn:
    """Draw detections of each class to be checked.

    What is drawn of a class depends on its detections and the seed alone, not on their order or
    on other classes.

    Parameters
    ----------
    events : DataFrame
        As `faunashot.annotations.table.as_table` gives it, with scores in 0..1.
    per_class : int
        Detections to draw of each class; all of one that has fewer.
    n_strata : int
        Strata of scores of each class.
    seed : int
        Not negative.

    Raises
    ------
    ParameterError
        A number is out of its range, there are no events, or one has no score in 0..1.
    """
    if per_class < 1 or n_strata < 1 or seed < 0:
        raise ParameterError("checks a class and strata must be 1 or more, the seed not negative")
    if events.empty:
        raise ParameterError("there are no detections to draw from")
    bad = ~events["score"].between(0, 1).to_numpy()
    if bad.any():
        row = events.iloc[int(bad.argmax())]
        raise ParameterError(
            f"{row['file']} at {row['start_s']:g} s: a detection needs a score from 0 to 1, "
            f"this one has {row['score']:g}"
        )
    ordered = events.sort_values(["label", "file", "start_s", "end_s", "score"], ignore_index=True)
    score = ordered["score"].to_numpy()
    stratum = np.zeros(len(ordered), np.int64)
    drawn, strata = [], []
    for label, rows in ordered.groupby("label", sort=True).indices.items():
        stratum[rows] = strata_of(score[rows], n_strata) + 1
        sizes = np.bincount(stratum[rows])[1:]
        rng = np.random.default_rng([seed, zlib.crc32(str(label).encode())])
        for number, n in enumerate(allocated(sizes, per_class), start=1):
            inside = rows[stratum[rows] == number]
            drawn.append(np.sort(rng.choice(inside, n, replace=False)))
            low, high = float(score[inside].min()), float(score[inside].max())
            strata.append(Stratum(str(label), number, low, high, len(inside), int(n)))
    taken = np.random.default_rng(seed).permutation(np.concatenate(drawn))
    width = max(4, len(str(len(taken))))
    names = np.full(len(ordered), "", dtype=object)
    names[taken] = [f"c{number:0{width}d}" for number in range(1, len(taken) + 1)]
    weights = {(s.label, s.stratum): s.facts()[WEIGHT] for s in strata}
    checks = ordered.iloc[taken].reset_index(drop=True)
    checks[CHECK], checks[STRATUM] = names[taken], stratum[taken]
    checks[WEIGHT] = [weights[key] for key in zip(checks["label"], checks[STRATUM], strict=True)]
    for name in (CLIP, CORRECT, REMARK):
        checks[name] = ""
    detections = ordered[["label", "score"]].copy()
    detections[STRATUM], detections[CHECK] = stratum, names
    return Drawn(checks, detections, tuple(strata))
