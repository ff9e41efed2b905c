"""Features of recordings of any length, stretch by stretch, from one pass over the audio."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, replace
from itertools import chain, tee
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.audio.shared_decoding import SharedDecoding
from faunashot.errors import AudioError
from faunashot.features.extract import (
    Chunk,
    EmbeddedChunk,
    chunks_of,
    cores,
    embed,
    threads_of_own,
)
from faunashot.features.extractors import Extractor, side_by_side
from faunashot.features.join import join
from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features


class Source(NamedTuple):
    """A recording to go through.

    Attributes
    ----------
    name : str
        Of it, which no other has.
    content : Path or bytes
        Its file, or what that holds.
    stamp : tuple of int, optional
        Of the file, see `faunashot.features.extract.stamp`; it is refused where it has another.
    """

    name: str
    content: Path | bytes
    stamp: tuple[int, int] | None = None


@dataclass(frozen=True)
class Stretch:
    """Features of the next seconds of a recording, or why there are none.

    Attributes
    ----------
    name : str
        Of the recording.
    of : int
        Which of the sets of extractors the features are of.
    features : Features or None
        Of windows that follow those of the stretch before; None where there are none.
    start_s, end_s : float
        From and to where the recording is dealt with by it; infinite at its end.
    error : str, optional
        What is wrong with it.
    """

    name: str
    of: int
    features: Features | None
    start_s: float
    end_s: float
    error: str | None = None

    @property
    def is_last(self) -> bool:
        """Whether the recording ends with it."""
        return bool(np.isinf(self.end_s))


class FeatureStreams:
    """Goes through recordings for several sets of extractors at once.

    Layers of one network, whichever sets ask for them, take one pass of it. Several networks go
    side by side through a recording, which is decoded once. Few stretches are in memory at a time.

    Parameters
    ----------
    sets : sequence of sequence of Extractor
        The features of each set are joined, see `faunashot.features.join`.
    """

    def __init__(self, sets: Sequence[Sequence[Extractor]]) -> None:
        networks: dict[FeatureSpec, dict[FeatureSpec, Extractor]] = defaultdict(dict)
        for each in chain.from_iterable(sets):
            networks[_network(each)].setdefault(FeatureSpec.of(each), each)
        self._passes = [
            side_by_side(list(layers.values())) if len(layers) > 1 else next(iter(layers.values()))
            for layers in networks.values()
        ]
        columns: dict[FeatureSpec, tuple[int, slice]] = {}
        for number, layers in enumerate(networks.values()):
            ends = np.cumsum([0, *(spec.dim for spec in layers)])
            for spec, begin, end in zip(layers, ends, ends[1:], strict=False):
                columns[spec] = number, slice(int(begin), int(end))
        self._specs = [[FeatureSpec.of(each) for each in of_set] for of_set in sets]
        self._columns = [[columns[spec] for spec in of_set] for of_set in self._specs]

    def run(
        self,
        sources: Iterable[Source],
        *,
        workers: int | None = None,
        pool: ThreadPoolExecutor | None = None,
    ) -> Generator[Stretch, None, None]:
        """Go through recordings, one after the other.

        Parameters
        ----------
        sources : iterable of Source
            Read as they are needed.
        workers, pool
            As of `faunashot.features.extract.embed`.

        Yields
        ------
        Stretch
            Those of a set in the order of the audio.
        """
        workers = workers or cores()
        decode = SharedDecoding() if len(self._passes) > 1 else None
        with ExitStack() as stack:
            threads = stack.enter_context(
                threads_of_own(workers) if pool is None else nullcontext(pool)
            )
            streams = [
                stack.enter_context(
                    closing(
                        embed(
                            _chunks(given, one),
                            one,
                            workers=workers,
                            pool=threads,
                            decode=decode,
                        )
                    )
                )
                for given, one in zip(tee(sources, len(self._passes)), self._passes, strict=True)
            ]
            name, joining = "", self._joining()
            for number, done in _side_by_side(streams, self._passes):
                if done.chunk.clip_id != name:
                    name, joining = done.chunk.clip_id, self._joining()
                until_s = _until_s(done.chunk, self._passes[number])
                for of, each in enumerate(joining):
                    yield from each.add(number, done, until_s, of=of)

    def _joining(self) -> list[_Joining]:
        return [
            _Joining(specs, columns)
            for specs, columns in zip(self._specs, self._columns, strict=True)
        ]


def stream_recording(
    source: Path | bytes,
    extractors: Sequence[Extractor],
    *,
    pool: ThreadPoolExecutor | None = None,
) -> Iterator[Features]:
    """Joined features of one recording, stretch by stretch; parts that are bad are left out.

    Raises
    ------
    AudioError
        It cannot be decoded, or there is nothing to hear in it.
    """
    reason, is_heard = None, False
    streams = FeatureStreams([extractors])
    with closing(streams.run([Source("", source)], pool=pool)) as stretches:
        for stretch in stretches:
            reason = reason or stretch.error
            if stretch.features is not None:
                is_heard = True
                yield stretch.features
    if not is_heard:
        raise AudioError(reason or "holds no samples")


def _network(extractor: Extractor) -> FeatureSpec:
    """What is the same of all layers that one pass of a network gives."""
    spec = FeatureSpec.of(extractor)
    return spec if extractor.backbone is None else replace(spec, layer="", dim=0)


def _chunks(sources: Iterable[Source], extractor: Extractor) -> Iterator[Chunk]:
    for name, content, stamp in sources:
        yield from chunks_of(name, content, extractor, stamp=stamp)


def _until_s(chunk: Chunk, extractor: Extractor) -> float:
    """Before which second of the recording every window begins that is embedded by now."""
    if chunk.span.stop is None:
        return float("inf")
    return chunk.span.stop * FeatureSpec.of(extractor).hop_s


def _side_by_side(
    streams: Sequence[Iterator[EmbeddedChunk]], extractors: Sequence[Extractor]
) -> Iterator[tuple[int, EmbeddedChunk]]:
    """What several networks give; the one that is furthest behind in the audio goes next."""
    at = dict.fromkeys(range(len(streams)), (0, float("inf")))  # recordings begun, and until when
    while at:
        number = min(at, key=lambda of: at[of])
        done = next(streams[number], None)
        if done is None:
            del at[number]
            continue
        begun, until_s = at[number]
        begun += until_s == float("inf")
        at[number] = begun, _until_s(done.chunk, extractors[number])
        yield number, done


@dataclass(frozen=True)
class _Rows:
    """Windows of a recording in order."""

    windows: npt.NDArray[np.float32]
    start_s: npt.NDArray[np.float64]
    end_s: npt.NDArray[np.float64]

    def __getitem__(self, at: slice) -> _Rows:
        return _Rows(self.windows[at], self.start_s[at], self.end_s[at])


class _Joining:
    """Joins what networks give of one recording, as far as they have come."""

    def __init__(self, specs: Sequence[FeatureSpec], columns: Sequence[tuple[int, slice]]) -> None:
        self._specs, self._columns = specs, columns
        self._longest = max(range(len(specs)), key=lambda at: specs[at].window_s)
        none = np.zeros(0)
        self._rows = [_Rows(np.zeros((0, spec.dim), np.float32), none, none) for spec in specs]
        self._until_s = [0.0] * len(specs)
        self._told_s = 0.0
        self._error: str | None = None

    def add(
        self, number: int, done: EmbeddedChunk, until_s: float, *, of: int
    ) -> Iterator[Stretch]:
        """Take what the network with this number gives; yield what is complete by it."""
        name, error = done.chunk.clip_id, None
        for part, (network, columns) in enumerate(self._columns):
            if network != number:
                continue
            self._until_s[part] = until_s
            if done.error is None:
                new = _Rows(done.windows[:, columns], done.start_s, done.end_s)
                self._rows[part] = _below(self._rows[part], new)
            elif part == self._longest:
                error = done.error
            else:
                self._error = done.error
        told_s, upto_s = self._told_s, min(self._until_s)
        if error is None and upto_s <= told_s:
            return
        features = self._ready()
        self._told_s = upto_s
        if error is not None:  # of the longest windows, whose features the rows are
            hop_s = self._specs[self._longest].hop_s
            begin_s = done.chunk.span.first * hop_s
            yield Stretch(name, of, features, begin_s, until_s, error)
        elif np.isinf(upto_s) and len(self._rows[self._longest].start_s):
            # another network has nothing of the recording to be joined with
            yield Stretch(name, of, None, told_s, upto_s, self._error)
        else:
            yield Stretch(name, of, features, told_s, upto_s)

    def _ready(self) -> Features | None:
        """Features of the windows that all parts have come past; they are let go."""
        longest = self._rows[self._longest]
        others = [at for at in range(len(self._specs)) if at != self._longest]
        upto_s = min((self._until_s[at] for at in others), default=float("inf"))
        n = int(np.searchsorted(longest.end_s, upto_s, side="right"))
        if not n or any(not len(self._rows[at].start_s) for at in others):
            return None
        ready = longest[:n]
        features = join(
            [
                _features(ready if at == self._longest else rows, spec)
                for at, (rows, spec) in enumerate(zip(self._rows, self._specs, strict=True))
            ]
        )
        self._rows[self._longest] = longest[n:]
        for at in others:
            rows = self._rows[at]
            begins = int(np.searchsorted(rows.start_s, ready.start_s[-1], side="right")) - 1
            ends = int(np.searchsorted(rows.end_s, ready.start_s[-1], side="right"))
            self._rows[at] = rows[max(0, min(begins, ends)) :]
        return features


def _below(above: _Rows, below: _Rows) -> _Rows:
    if not len(above.start_s):
        return below
    return _Rows(
        np.concatenate([above.windows, below.windows]),
        np.concatenate([above.start_s, below.start_s]),
        np.concatenate([above.end_s, below.end_s]),
    )


def _features(rows: _Rows, spec: FeatureSpec) -> Features:
    index = pd.DataFrame({"clip_id": "", "start_s": rows.start_s, "end_s": rows.end_s})
    return Features(rows.windows, index, spec)
