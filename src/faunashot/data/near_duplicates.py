"""Recordings that hold the same sound, though not the same samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.audio.decode import decode
from faunashot.audio.fingerprint import HOP, Landmarks, Samples, align, comparable, landmarks
from faunashot.errors import AudioError

WORKERS = 2
NEIGHBOURS = 16
"""Of the occurrences of one key, each is compared with this many others: keys that very many
recordings share, such as those of hum, cost no more than others."""

MIN_SHARED, MIN_SHARED_SHORT, SHORT = 3, 2, 1000
"""Keys that two recordings have to share at one offset to be compared in full, and those that do
where one has fewer than `SHORT` keys, and so shares fewer by chance."""

MOST_CANDIDATES = 12
"""Recordings before it, and after it, that one is compared with in full: those that share most
keys."""

_KEPT_DECODED = 8


@dataclass(frozen=True)
class NearDuplicate:
    """Two recordings that hold the same sound.

    Attributes
    ----------
    first, second : their numbers, first < second.
    correlation, offset_s, common_s : as in `faunashot.audio.fingerprint.Alignment`.
    """

    first: int
    second: int
    correlation: float
    offset_s: float
    common_s: float


def near_duplicates(
    files: Sequence[Path], *, on_file: Callable[[Path], None] = lambda file: None
) -> list[NearDuplicate]:
    """Find every pair of `files` that hold the same sound, whole or in part.

    Memory holds the landmarks of all files and the samples of a few.

    Raises
    ------
    AudioError
        A file cannot be decoded; the message names it.
    """

    def marked(file: Path) -> Landmarks:
        found = landmarks(_samples(file))
        on_file(file)
        return found

    @lru_cache(maxsize=_KEPT_DECODED)
    def samples_of(number: int) -> Samples:
        return _samples(files[number])

    def compared(pair: tuple[int, int, int, int]) -> NearDuplicate | None:
        first, second, offset, around = pair
        found = align(
            samples_of(first), samples_of(second), offset=offset * HOP, around=around * HOP
        )
        if not found.same:
            return None
        values = (round(v, 4) for v in (found.correlation, found.offset_s, found.common_s))
        return NearDuplicate(first, second, *values)

    with ThreadPoolExecutor(WORKERS) as pool:
        pairs = candidates(list(pool.map(marked, files)))
        rows = pairs.itertuples(index=False, name=None)
        return [pair for pair in pool.map(compared, rows) if pair]


def candidates(marked: Sequence[Landmarks]) -> pd.DataFrame:
    """Pairs of recordings that share landmarks at one offset.

    Returns
    -------
    DataFrame with the columns ``first``, ``second`` (numbers, first < second), ``offset`` (frame of
    the first at which the second begins) and ``around`` (frame of the first near which they agree),
    sorted.
    """
    shared = _shared(marked)
    by_offset = shared.groupby(["first", "second", "offset"])["at"]
    found = by_offset.agg(["size", "median"]).reset_index()
    # What lies between two frames falls now into one, now into the other.
    next_row = found.shift(-1)
    joins = (found["first"] == next_row["first"]) & (found["second"] == next_row["second"])
    joins &= found["offset"] + 1 == next_row["offset"]
    found["size"] += next_row["size"].where(joins, 0).astype(int)
    keys = np.array([len(one.keys) for one in marked])
    fewer = np.minimum(*(keys[found[end].to_numpy()] for end in ("first", "second")))
    found = found[found["size"] >= np.where(fewer < SHORT, MIN_SHARED_SHORT, MIN_SHARED)]
    found = found.sort_values("size", ascending=False, kind="stable")
    found = found.drop_duplicates(["first", "second"])
    rank = np.minimum(*(found.groupby(end).cumcount().to_numpy() for end in ("first", "second")))
    found = found[rank < MOST_CANDIDATES].sort_values(["first", "second"])
    return found.assign(around=found["median"].astype(int))[["first", "second", "offset", "around"]]


def _shared(marked: Sequence[Landmarks]) -> pd.DataFrame:
    """A row for each key that two recordings share; of a key in very many, some of the pairs.

    Sorting by key takes the place of an index. The order within a key is drawn anew for each, so
    that copies which share several frequent keys meet in one of them.
    """
    keys = np.concatenate([found.keys for found in marked] or [np.empty(0, np.int64)])
    frames = np.concatenate([found.frames for found in marked] or [np.empty(0, np.int32)])
    owner = np.repeat(np.arange(len(marked), dtype=np.int32), [len(m.keys) for m in marked])
    order = np.random.default_rng(0).permutation(len(keys))
    order = order[np.argsort(keys[order], kind="stable")]
    keys, frames, owner = keys[order], frames[order], owner[order]
    parts: list[npt.NDArray[np.int32]] = [np.empty((0, 4), dtype=np.int32)]
    for apart in range(1, NEIGHBOURS + 1):
        here = np.flatnonzero(keys[apart:] == keys[:-apart])
        there = here + apart
        turned = owner[here] > owner[there]
        one, other = np.where(turned, there, here), np.where(turned, here, there)
        part = [owner[one], owner[other], frames[one] - frames[other], frames[one]]
        parts.append(np.stack(part, axis=1))
    return pd.DataFrame(np.concatenate(parts), columns=["first", "second", "offset", "at"])


def _samples(file: Path) -> Samples:
    try:
        return comparable(decode(file))
    except AudioError as error:
        raise AudioError(f"{file}: {error}") from error
