"""Recordings to embeddings: decoding and front end, batches across recordings, the network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from faunashot.audio.decode import Audio, Decode
from faunashot.audio.perturbation import Perturbation
from faunashot.errors import AudioError
from faunashot.features.batching import SharedThreads
from faunashot.features.cut import WHOLE, ChunkSpan, Frames, chunk_spans, cut
from faunashot.features.extractors import Extractor, side_by_side
from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features, empty_index
from faunashot.frontends.base import FloatArray


@dataclass(frozen=True)
class Chunk:
    """What is embedded at once: a span of a recording.

    Attributes
    ----------
    clip_id : str
        Of the recording.
    source : Path, bytes or Audio
        Its file, the content of one, or what that was decoded to.
    span : ChunkSpan
        Which windows of it.
    stamp : tuple of int, optional
        What `stamp` gives of the file, which is refused where it has another by now.
    sha256 : str
        Of the file; empty where it is not needed.
    wrong_header : bool
        Whether more is read than its header announces, which was believed once.
    """

    clip_id: str
    source: Path | bytes | Audio
    span: ChunkSpan = WHOLE
    stamp: tuple[int, int] | None = None
    sha256: str = ""
    wrong_header: bool = False

    @property
    def key(self) -> tuple[str, ChunkSpan]:
        """What it holds, whatever the recording is called."""
        return self.sha256 + ("+" if self.wrong_header else ""), self.span


@dataclass(frozen=True)
class EmbeddedChunk:
    """Features of a chunk, or why there are none.

    Attributes
    ----------
    chunk : Chunk
        What was to be embedded.
    windows : ndarray of float32, shape (N, dim)
        A row a window.
    start_s, end_s : ndarray, shape (N,)
        As in `faunashot.features.cut.Frames`.
    error : str, optional
        What was wrong with the recording; there are no windows then.
    """

    chunk: Chunk
    windows: FloatArray
    start_s: npt.NDArray[np.float64]
    end_s: npt.NDArray[np.float64]
    error: str | None = None


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def embed(
    chunks: Iterable[Chunk],
    extractor: Extractor,
    *,
    perturbation: Perturbation | None = None,
    workers: int | None = None,
    pool: ThreadPoolExecutor | None = None,
    shared: SharedThreads | None = None,
    decode: Decode | None = None,
) -> Generator[EmbeddedChunk, None, None]:
    """Embed chunks in their order, in threads; the result depends on nothing but each chunk.

    At most so many chunks and batches as keep the threads busy are held at once.

    Parameters
    ----------
    chunks : iterable of Chunk
        Read as they are needed.
    extractor : Extractor
        Its network is not touched where there are no chunks.
    perturbation : Perturbation, optional
        Done to the audio first.
    workers : int, optional
        Threads; as many as there are processors if not given.
    pool : ThreadPoolExecutor, optional
        So many threads that are there already, and may be at other work, too.
    shared : SharedThreads, optional
        The same, with batches that other calls fill, too.
    decode : callable, optional
        What decodes, as `faunashot.audio.shared_decoding.SharedDecoding`.
    """
    workers = workers or (cores() if shared is None else shared.workers)

    def prepare(chunk: Chunk) -> Frames | str:
        try:
            _refuse_changed(chunk)
            found = cut(
                chunk.source,
                extractor,
                perturbation=perturbation,
                span=chunk.span,
                decode=decode,
            )
            _refuse_changed(chunk)  # while it was read
            return found
        except AudioError as error:
            return str(error)

    given = pool if shared is None else shared.pool
    with threads_of_own(workers) if given is None else nullcontext(given) as threads:
        waiting: deque[tuple[Chunk, Frames | str]] = deque()  # cut, but not yet embedded
        batches = _Batches(extractor, threads, shared, ahead=2 * workers)
        for chunk, found in _in_order(prepare, chunks, threads, ahead=4 * workers):
            if isinstance(found, Frames):
                batches.add(found.inputs)
                found = replace(found, inputs=found.inputs[:0].copy())  # holds no memory
            waiting.append((chunk, found))
            yield from _embedded(waiting, batches, wait=False)
        batches.flush()
        yield from _embedded(waiting, batches, wait=True)


@contextmanager
def threads_of_own(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that share the processors with no others."""
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def embed_clips(
    clips: Iterable[tuple[str, Path]],
    extractor: Extractor,
    *,
    perturbation: Perturbation | None = None,
) -> Features:
    """Embed recordings given as (clip_id, path) in memory.

    Raises
    ------
    AudioError
        A recording cannot be decoded; the message names it.
    """
    chunks = (
        chunk
        for clip_id, path in clips
        for chunk in chunks_of(clip_id, path, extractor, perturbation=perturbation)
    )
    rows: list[EmbeddedChunk] = []
    for done in embed(chunks, extractor, perturbation=perturbation):
        if done.error is not None:
            raise AudioError(f"{done.chunk.source!s}: {done.error}")
        rows.append(done)
    return _features(rows, extractor)


def embed_by_each(
    source: Path | bytes | Audio,
    extractors: Sequence[Extractor],
    *,
    perturbation: Perturbation | None = None,
    shared: SharedThreads | None = None,
) -> list[Features]:
    """As `embed_recording` by each extractor; layers of one backbone take one pass."""
    embedded = partial(embed_recording, source, perturbation=perturbation, shared=shared)
    found: list[Features] = []
    for _, of in groupby(extractors, key=lambda each: id(each.backbone or each)):
        layers = list(of)
        if len(layers) == 1:
            found.append(embedded(layers[0]))
            continue
        every = embedded(side_by_side(layers))
        parts = np.split(every.windows, np.cumsum([each.dim for each in layers])[:-1], axis=1)
        found += [
            replace(every, windows=windows, spec=FeatureSpec.of(each))
            for each, windows in zip(layers, parts, strict=True)
        ]
    return found


def embed_recording(
    source: Path | bytes | Audio,
    extractor: Extractor,
    *,
    perturbation: Perturbation | None = None,
    shared: SharedThreads | None = None,
) -> Features:
    """Embed one recording, a file, the bytes of one or what it was decoded to, in memory.

    The rest is as for `embed`.

    Raises
    ------
    AudioError
        It cannot be decoded, or there is nothing to hear in it.
    """
    chunks = chunks_of("", source, extractor, perturbation=perturbation)
    rows = list(embed(chunks, extractor, perturbation=perturbation, shared=shared))
    good = [done for done in rows if done.error is None]
    if not good:
        raise AudioError(str(rows[0].error))
    hop_s = FeatureSpec.of(extractor).hop_s
    bad = [
        {"start_s": done.chunk.span.first * hop_s, "reason": done.error}
        for done in rows
        if done.error is not None
    ]
    return replace(_features(good, extractor), bad=bad)


def _features(rows: Sequence[EmbeddedChunk], extractor: Extractor) -> Features:
    spec = FeatureSpec.of(extractor)
    if not rows:
        return Features(np.zeros((0, spec.dim), spec.dtype), empty_index(), spec)
    clip_ids = np.array([done.chunk.clip_id for done in rows], dtype=object)
    index = pd.DataFrame(
        {
            "clip_id": np.repeat(clip_ids, [len(done.windows) for done in rows]),
            "start_s": np.concatenate([done.start_s for done in rows]),
            "end_s": np.concatenate([done.end_s for done in rows]),
        }
    )
    return Features(np.concatenate([done.windows for done in rows]), index, spec)


def chunks_of(
    clip_id: str,
    source: Path | bytes | Audio,
    extractor: Extractor,
    *,
    perturbation: Perturbation | None = None,
    stamp: tuple[int, int] | None = None,
) -> Iterator[Chunk]:
    """The chunks that a recording is embedded in; all of it where it is perturbed."""
    found = None
    if isinstance(source, Path) and perturbation is None:
        with suppress(AudioError):  # to be told of it in turn
            found = extractor.reading.announced(source)
    for span in chunk_spans(found, extractor):
        yield Chunk(clip_id, source, span, stamp)


def _refuse_changed(chunk: Chunk) -> None:
    if chunk.stamp is None or not isinstance(chunk.source, Path):
        return
    try:
        changed = stamp(chunk.source) != chunk.stamp
    except OSError as error:
        raise AudioError(f"unreadable: {error.strerror or error}") from error
    if changed:
        raise AudioError("was changed during the run")


def stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change of a file, to tell that it was changed since."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _in_order(
    work: Callable[[Chunk], Frames | str],
    chunks: Iterable[Chunk],
    pool: ThreadPoolExecutor,
    *,
    ahead: int,
) -> Iterator[tuple[Chunk, Frames | str]]:
    """Chunks with what `work` made of them, at most `ahead` of them in advance."""
    queue: deque[tuple[Chunk, Future[Frames | str]]] = deque()
    for chunk in chunks:
        queue.append((chunk, pool.submit(work, chunk)))
        if len(queue) > ahead:
            first, future = queue.popleft()
            yield first, future.result()
    for first, future in queue:
        yield first, future.result()


def _embedded(
    waiting: deque[tuple[Chunk, Frames | str]], batches: _Batches, *, wait: bool
) -> Iterator[EmbeddedChunk]:
    """What of `waiting` is through the network, in order."""
    while waiting:
        chunk, found = waiting[0]
        if isinstance(found, str):
            none = np.zeros(0)
            yield EmbeddedChunk(
                chunk, np.zeros((0, batches.extractor.dim), np.float32), none, none, found
            )
        else:
            windows = batches.take(len(found.start_s), wait=wait)
            if windows is None:
                return
            yield EmbeddedChunk(chunk, windows, found.start_s, found.end_s)
        waiting.popleft()


class _Batches:
    """Inputs of many chunks through the network in batches of one size, in order."""

    def __init__(
        self,
        extractor: Extractor,
        pool: ThreadPoolExecutor,
        shared: SharedThreads | None = None,
        *,
        ahead: int,
    ) -> None:
        self.extractor, self.pool, self.shared, self.ahead = extractor, pool, shared, ahead
        self.pending: list[FloatArray] = []
        self.running: deque[Future[FloatArray]] = deque()
        self.ready: deque[FloatArray] = deque()
        self.n_ready = 0

    def add(self, inputs: FloatArray) -> None:
        """Take inputs, (N, ...); waits where too many are in the network already."""
        at, size = 0, self.extractor.batch_size
        while at < len(inputs):
            room = size - sum(map(len, self.pending))
            self.pending.append(inputs[at : at + room])
            at += room
            if sum(map(len, self.pending)) == size:
                self.flush()

    def flush(self) -> None:
        """Send what is pending, be it less than a batch."""
        if self.pending:
            self.running.append(self._submitted(self.pending))
            self.pending = []
        while len(self.running) > self.ahead:
            self._finish_first()

    def take(self, n: int, *, wait: bool) -> FloatArray | None:
        """The next `n` embeddings, (n, dim), or None where they are not done yet."""
        while self.n_ready < n and self.running and (wait or self.running[0].done()):
            self._finish_first()
        if self.n_ready < n:
            return None
        self.n_ready -= n
        parts = []
        while n:
            part = self.ready.popleft()
            parts.append(part[:n])
            if len(part) > n:
                self.ready.appendleft(part[n:])
            n -= len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _submitted(self, parts: Sequence[FloatArray]) -> Future[FloatArray]:
        if self.shared is None:
            return self.pool.submit(self._run, parts)
        return self.shared.submit(self.extractor, np.concatenate(parts))

    def _run(self, parts: Sequence[FloatArray]) -> FloatArray:
        return self.extractor.network(np.concatenate(parts))

    def _finish_first(self) -> None:
        self.ready.append(self.running.popleft().result())
        self.n_ready += len(self.ready[-1])
