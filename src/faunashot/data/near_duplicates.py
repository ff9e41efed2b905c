"""Recordings that hold the same sound, though not the same samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.audio.decode import decode
from faunashot.audio.fingerprint import HOP, Landmarks, Samples, align, comparable, landmarks
from faunashot.data.external_sort import ROWS, ExternalSort, Rows
from faunashot.errors import AudioError
from faunashot.progress import tracked

WORKERS = 2
NEIGHBOURS, PER_LANDMARK = 16, 2
"""Of the occurrences of one key, each is compared with this many others at most, and with fewer
where all landmarks together would be compared more often than `PER_LANDMARK` times on average: keys
that very many recordings share, such as those of hum, cost no more than others."""

MIN_SHARED, MIN_SHARED_SHORT, SHORT = 3, 2, 1000
"""Keys that two recordings have to share at one offset to be compared in full, and those that do
where one has fewer than `SHORT` keys, and so shares fewer by chance."""

LARGE = 2000
"""Recordings from which on weak candidates are left out where there is a crowd of them."""

CROWD, CROWD_SHARE, CROWD_RATIO, MOST_ANCHORS = 1000, 20, 4, 4
"""Candidates are a crowd if more than `CROWD`, than one in `CROWD_SHARE` recordings and than
`CROWD_RATIO` times as many as those whose keys begin at one frame more. Those whose keys begin at
more than `MOST_ANCHORS` frames are never left out."""

MOST_CANDIDATES = 12
"""Recordings before it, and after it, that one is compared with in full: those that share most
keys."""

_LANDMARK = [("key", np.int64), ("recording", np.int32), ("frame", np.int32)]
_MATCH = [("key", np.int64), ("offset", np.int32), ("at", np.int32)]
_AT_ONCE = 256  # recordings, or pairs, that are handed to the threads together

_KEPT_DECODED = 8
_ODD = np.int64(-7046029254386353131)  # 2^64 over the golden ratio: multiplying by it mixes bits
_PAIRS = pd.DataFrame(
    columns=["first", "second", "offset", "around", "size", "anchors"], dtype=np.int64
)

Result = TypeVar("Result")


@dataclass(frozen=True)
class NearDuplicate:
    """Two recordings that hold the same sound.

    Attributes
    ----------
    first, second : int
        Their numbers, first < second.
    correlation, offset_s, common_s : float
        As in `faunashot.audio.fingerprint.Alignment`.
    """

    first: int
    second: int
    correlation: float
    offset_s: float
    common_s: float


def near_duplicates(files: Sequence[Path]) -> list[NearDuplicate]:
    """Find every pair of `files` that hold the same sound, whole or in part.

    Memory holds the landmarks and the samples of a few; those of all lie in a temporary file.

    Raises
    ------
    AudioError
        A file cannot be decoded; the message names it.
    """

    def marked(file: Path) -> Landmarks:
        return landmarks(_samples(file))

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
        read = _mapped(pool, marked, files)
        pairs = candidates(tracked(read, "looking for copies", total=len(files)))
        aligned = _mapped(pool, compared, pairs.itertuples(index=False, name=None))
        return [pair for pair in tracked(aligned, "comparing", total=len(pairs)) if pair]


def candidates(marked: Iterable[Landmarks]) -> pd.DataFrame:
    """Find pairs of recordings that share landmarks at one offset.

    Work and memory grow with the recordings, not with their pairs: landmarks are sorted on disk,
    and the more recordings there are, the more two of them must share (`fewest_anchors`).

    Returns
    -------
    DataFrame
        Columns ``first``, ``second`` (numbers, first < second), ``offset`` (frame of the first at
        which the second begins) and ``around`` (frame of the first near which they agree), sorted.
    """
    n_keys = []
    with ExternalSort(_LANDMARK) as by_key, ExternalSort(_MATCH) as by_pair:
        for number, one in enumerate(marked):
            n_keys.append(len(one.keys))
            by_key.append(key=one.keys, recording=number, frame=one.frames)
        for rows in by_key:
            for match in _matches(rows):
                by_pair.append(**match)
        keys = np.array(n_keys)
        found = pd.concat([_PAIRS, *(_agreeing(rows, keys) for rows in by_pair)], ignore_index=True)
    found = found[found["anchors"] >= fewest_anchors(found["anchors"], n=len(keys))]
    found = found.sort_values("size", ascending=False, kind="stable")
    rank = np.minimum(*(found.groupby(end).cumcount().to_numpy() for end in ("first", "second")))
    found = found[rank < MOST_CANDIDATES].sort_values(["first", "second"])
    return found[["first", "second", "offset", "around"]].reset_index(drop=True)


def fewest_anchors(anchors: pd.Series, *, n: int) -> int:
    """At how many frames the shared keys of a pair must begin to tell it from chance.

    Four peaks that agree by chance make up to four keys, which begin at two of the peaks. Such
    pairs grow with the square of the recordings, those with one frame more are ten to forty times
    fewer, while copies are spread thinly over all numbers: so a crowd is chance.

    Parameters
    ----------
    anchors : Series of int, shape (n_pairs,)
        At how many frames the shared keys of each pair begin.
    n : int
        Recordings.
    """
    counts = np.bincount(anchors, minlength=MOST_ANCHORS + 2)[: MOST_ANCHORS + 2]
    most = np.maximum(max(CROWD, n / CROWD_SHARE), CROWD_RATIO * counts[1:])
    crowds = np.flatnonzero(counts[:-1] > most)
    return int(crowds.max(initial=0)) + 1 if n >= LARGE else 1


def _matches(rows: Rows) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Pair the recordings that share a key; of a key in very many, give some of the pairs.

    The order within a key is drawn anew for each, so that copies which share several frequent keys
    meet in one of them.

    Parameters
    ----------
    rows : ndarray of `_LANDMARK`, sorted by key
    """
    most = PER_LANDMARK * max(len(rows), ROWS)
    same = rows["key"][1:] == rows["key"][:-1]
    rows = rows[np.append(same, False) | np.insert(same, 0, False)]
    mixed = (rows["key"] ^ (rows["recording"] * _ODD)) * _ODD
    rows = rows[np.lexsort((mixed, rows["key"]))]
    for apart in range(1, NEIGHBOURS + 1):
        here = np.flatnonzero(rows["key"][apart:] == rows["key"][:-apart])
        one, other = rows[here], rows[here + apart]
        turned = one["recording"] > other["recording"]
        one[turned], other[turned] = other[turned], one[turned]
        yield {
            "key": (one["recording"].astype(np.int64) << 32) | other["recording"],
            "offset": one["frame"] - other["frame"],
            "at": one["frame"],
        }
        most -= len(here)
        if most <= 0 or not len(here):
            return


def _agreeing(rows: Rows, n_keys: npt.NDArray[np.int64]) -> pd.DataFrame:
    """The offset at which each pair of recordings shares most keys, if it does share enough.

    Parameters
    ----------
    rows : ndarray of `_MATCH`, sorted by key
    n_keys : ndarray, shape (n_recordings,)
        Keys of each recording.
    """
    same = rows["key"][1:] == rows["key"][:-1]
    rows = rows[np.append(same, False) | np.insert(same, 0, False)]
    rows = rows[np.lexsort((rows["at"], rows["offset"], rows["key"]))]
    if not len(rows):
        return _PAIRS
    pair, offset, at = rows["key"], rows["offset"], rows["at"]
    new = np.insert((pair[1:] != pair[:-1]) | (offset[1:] != offset[:-1]), 0, True)
    start = np.flatnonzero(new)
    size = np.diff(start, append=len(rows))
    anchors = np.add.reduceat(new | np.insert(at[1:] != at[:-1], 0, True), start, dtype=np.int64)
    median = (at[start + (size - 1) // 2] + at[start + size // 2]) // 2
    pair, offset = pair[start], offset[start]
    # What lies between two frames falls now into one, now into the other.
    joins = np.flatnonzero((pair[1:] == pair[:-1]) & (offset[1:] == offset[:-1] + 1))
    size, anchors = (
        x + np.bincount(joins, x[joins + 1], len(x)).astype(int) for x in (size, anchors)
    )
    first, second = pair >> 32, pair & 0xFFFFFFFF
    fewer = np.minimum(n_keys[first], n_keys[second])
    columns = (first, second, offset, median, size, anchors)
    found = pd.DataFrame(dict(zip(_PAIRS.columns, columns, strict=True)))
    found = found[size >= np.where(fewer < SHORT, MIN_SHARED_SHORT, MIN_SHARED)]
    found = found.sort_values("size", ascending=False, kind="stable")
    best: pd.DataFrame = found.drop_duplicates(["first", "second"]).sort_values(["first", "second"])
    return best


def _mapped(
    pool: ThreadPoolExecutor, function: Callable[[Any], Result], items: Iterable[Any]
) -> Iterator[Result]:
    """Map in threads and in order, some items at a time: the pool's own map takes all at once."""
    rest = iter(items)
    while some := list(islice(rest, _AT_ONCE)):
        yield from pool.map(function, some)


def _samples(file: Path) -> Samples:
    try:
        return comparable(decode(file))
    except AudioError as error:
        raise AudioError(f"{file}: {error}") from error
