"""Recordings to embeddings: decoding and front end, batches across recordings, the network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from faunashot.audio.decode import announced
from faunashot.audio.perturbation import Perturbation
from faunashot.backbones.base import Backbone, FloatArray
from faunashot.errors import AudioError
from faunashot.features.cut import WHOLE, ChunkSpan, Frames, blocks, cut
from faunashot.features.store import Features, FeatureSpec, empty


@dataclass(frozen=True)
class Chunk:
    """What is embedded at once: a block of a recording, whose file still has its `stamp`."""

    clip_id: str
    source: Path | bytes
    block: ChunkSpan = WHOLE
    stamp: tuple[int, int] | None = None


@dataclass(frozen=True)
class Embedded:
    """Embeddings of a piece, or why there are none.

    Attributes
    ----------
    piece : what was to be embedded.
    windows : float32, (N, dim).
    start_s, end_s : (N,), as in `Frames`.
    error : what was wrong with the recording; there are no windows then.
    """

    piece: Chunk
    windows: FloatArray
    start_s: npt.NDArray[np.float64]
    end_s: npt.NDArray[np.float64]
    error: str | None = None


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def embed(
    pieces: Iterable[Chunk],
    backbone: Backbone,
    *,
    perturbation: Perturbation | None = None,
    workers: int | None = None,
) -> Generator[Embedded, None, None]:
    """Embed pieces in their order, in threads; the result depends on nothing but each piece.

    At most so many pieces and batches as keep the threads busy are held at once.

    Parameters
    ----------
    pieces : read as they are needed.
    backbone : loaded.
    perturbation : applied first, where given.
    workers : threads; as many as there are processors if not given.
    """
    workers = workers or cores()

    def prepare(piece: Chunk) -> Frames | str:
        try:
            _refuse_changed(piece)
            found = cut(piece.source, backbone, perturbation=perturbation, block=piece.block)
            _refuse_changed(piece)  # while it was read
            return found
        except AudioError as error:
            return str(error)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[Chunk, Frames | str]] = deque()  # cut, but not yet embedded
        batches = _Batches(backbone, pool, ahead=2 * workers)
        try:
            for piece, found in _in_order(prepare, pieces, pool, ahead=4 * workers):
                if isinstance(found, Frames):
                    batches.add(found.inputs)
                    found = replace(found, inputs=found.inputs[:0].copy())  # holds no memory
                waiting.append((piece, found))
                yield from _embedded(waiting, batches, wait=False)
            batches.flush()
            yield from _embedded(waiting, batches, wait=True)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def embed_clips(
    clips: Iterable[tuple[str, Path]],
    backbone: Backbone,
    *,
    perturbation: Perturbation | None = None,
) -> Features:
    """Embed recordings given as (clip_id, path) in memory.

    Raises
    ------
    AudioError
        A recording cannot be decoded; the message names it.
    """
    pieces = (
        piece for clip_id, path in clips for piece in _pieces(clip_id, path, backbone, perturbation)
    )
    rows: list[Embedded] = []
    for done in embed(pieces, backbone, perturbation=perturbation):
        if done.error is not None:
            raise AudioError(f"{done.piece.source!s}: {done.error}")
        rows.append(done)
    return _features(rows, backbone)


def embed_recording(source: Path | bytes, backbone: Backbone) -> Features:
    """Embed one recording, a file or the bytes of one, in memory.

    Raises
    ------
    AudioError
        It cannot be decoded.
    """
    rows = list(embed(_pieces("", source, backbone, None), backbone))
    for done in rows:
        if done.error is not None:
            raise AudioError(done.error)
    return _features(rows, backbone)


def index(rows: Sequence[Embedded]) -> pd.DataFrame:
    """Columns clip_id, start_s, end_s of what was embedded, a row a window."""
    return pd.DataFrame(
        {
            "clip_id": np.repeat(
                np.array([done.piece.clip_id for done in rows], dtype=object),
                [len(done.windows) for done in rows],
            ),
            "start_s": np.concatenate([done.start_s for done in rows]),
            "end_s": np.concatenate([done.end_s for done in rows]),
        }
    )


def _features(rows: Sequence[Embedded], backbone: Backbone) -> Features:
    if not rows:
        return empty(type(backbone), hop_s=backbone.hop_s)
    windows = np.concatenate([done.windows for done in rows])
    return Features(windows, index(rows), FeatureSpec.of(backbone))


def _pieces(
    clip_id: str, source: Path | bytes, backbone: Backbone, perturbation: Perturbation | None
) -> Iterator[Chunk]:
    found = None
    if isinstance(source, Path) and perturbation is None:
        with suppress(AudioError):  # to be told of it in turn
            found = announced(source)
    for block in blocks(found, backbone):
        yield Chunk(clip_id, source, block)


def _refuse_changed(piece: Chunk) -> None:
    if piece.stamp is None or isinstance(piece.source, bytes):
        return
    try:
        changed = stamp(piece.source) != piece.stamp
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
    pieces: Iterable[Chunk],
    pool: ThreadPoolExecutor,
    *,
    ahead: int,
) -> Iterator[tuple[Chunk, Frames | str]]:
    """Pieces with what `work` made of them, at most `ahead` of them in advance."""
    queue: deque[tuple[Chunk, Future[Frames | str]]] = deque()
    for piece in pieces:
        queue.append((piece, pool.submit(work, piece)))
        if len(queue) > ahead:
            first, future = queue.popleft()
            yield first, future.result()
    for first, future in queue:
        yield first, future.result()


def _embedded(
    waiting: deque[tuple[Chunk, Frames | str]], batches: _Batches, *, wait: bool
) -> Iterator[Embedded]:
    """What of `waiting` is through the network, in order."""
    while waiting:
        piece, found = waiting[0]
        if isinstance(found, str):
            none = np.zeros(0)
            yield Embedded(
                piece, np.zeros((0, batches.backbone.dim), np.float32), none, none, found
            )
        else:
            windows = batches.take(len(found.start_s), wait=wait)
            if windows is None:
                return
            yield Embedded(piece, windows, found.start_s, found.end_s)
        waiting.popleft()


class _Batches:
    """Inputs of many pieces through the network in batches of one size, in order."""

    def __init__(self, backbone: Backbone, pool: ThreadPoolExecutor, *, ahead: int) -> None:
        self.backbone, self.pool, self.ahead = backbone, pool, ahead
        self.pending: list[FloatArray] = []
        self.running: deque[Future[FloatArray]] = deque()
        self.ready: deque[FloatArray] = deque()
        self.n_ready = 0

    def add(self, inputs: FloatArray) -> None:
        """Take inputs, (N, ...); waits where too many are in the network already."""
        at, size = 0, self.backbone.batch_size
        while at < len(inputs):
            room = size - sum(map(len, self.pending))
            self.pending.append(inputs[at : at + room])
            at += room
            if sum(map(len, self.pending)) == size:
                self.flush()

    def flush(self) -> None:
        """Send what is pending, be it less than a batch."""
        if self.pending:
            self.running.append(self.pool.submit(self._run, self.pending))
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

    def _run(self, parts: Sequence[FloatArray]) -> FloatArray:
        return self.backbone.network(np.concatenate(parts))

    def _finish_first(self) -> None:
        self.ready.append(self.running.popleft().result())
        self.n_ready += len(self.ready[-1])
