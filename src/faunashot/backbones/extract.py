"""Recordings to features: decoding in threads, inference in batches across clips."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

from faunashot.audio.decode import decode
from faunashot.audio.resample import resample
from faunashot.audio.windows import split_windows
from faunashot.backbones.base import Backbone, FloatArray
from faunashot.backbones.store import Features, Maker, empty
from faunashot.errors import AudioError

BATCH, WORKERS, AHEAD = 64, 2, 16


def windows_of(source: Path | bytes, backbone: Backbone) -> FloatArray:
    """Decode a recording and cut it as `backbone` wants it, (N, window_samples).

    Raises
    ------
    AudioError
        It cannot be decoded.
    """
    audio = decode(source)
    samples = resample(audio.mono(), audio.sample_rate, to_hz=backbone.sample_rate)
    return split_windows(samples, backbone.window_samples, hop=hop_samples(backbone))


def hop_samples(backbone: Backbone) -> int:
    """Step between the windows of `backbone`, in samples."""
    return round(backbone.hop_s * backbone.sample_rate)


def starts_s(n_windows: int, backbone: Backbone) -> FloatArray:
    """Start of each window in seconds, float64, (n_windows,)."""
    return np.arange(n_windows) * (hop_samples(backbone) / backbone.sample_rate)


def embed_clips(
    clips: Iterable[tuple[str, Path]],
    backbone: Backbone,
    *,
    on_clip: Callable[[str], None] = lambda clip_id: None,
) -> Features:
    """Embed recordings given as (clip_id, path).

    Raises
    ------
    AudioError
        A recording cannot be decoded; the message names it.
    """
    parts: list[FloatArray] = []
    index: list[pd.DataFrame] = []
    pending: list[FloatArray] = []
    for clip_id, windows in _decoded(clips, backbone):
        start = starts_s(len(windows), backbone)
        rows = {"clip_id": clip_id, "start_s": start, "end_s": start + backbone.window_s}
        index.append(pd.DataFrame(rows))
        pending.append(windows)
        if sum(map(len, pending)) >= BATCH:
            parts += _full_batches(pending, backbone)
        on_clip(clip_id)
    if pending:
        parts.append(backbone.embed(np.concatenate(pending)))
    if not index:
        return empty(type(backbone), hop_s=backbone.hop_s)
    return Features(np.concatenate(parts), pd.concat(index, ignore_index=True), Maker.of(backbone))


def _full_batches(pending: list[FloatArray], backbone: Backbone) -> list[FloatArray]:
    """Embed what fills whole batches; the rest stays in `pending`."""
    ready = np.concatenate(pending)
    full = len(ready) // BATCH * BATCH
    pending[:] = [ready[full:]] if full < len(ready) else []
    return [backbone.embed(ready[at : at + BATCH]) for at in range(0, full, BATCH)]


def _decoded(
    clips: Iterable[tuple[str, Path]], backbone: Backbone
) -> Iterator[tuple[str, FloatArray]]:
    """Windows of each clip in order, at most `AHEAD` clips decoded in advance."""

    def work(path: Path) -> FloatArray:
        try:
            return windows_of(path, backbone)
        except AudioError as error:
            raise AudioError(f"{path}: {error}") from error

    queue: deque[tuple[str, Future[FloatArray]]] = deque()
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for clip_id, path in clips:
                queue.append((clip_id, pool.submit(work, path)))
                if len(queue) > AHEAD:
                    first, future = queue.popleft()
                    yield first, future.result()
            while queue:
                first, future = queue.popleft()
                yield first, future.result()
        finally:
            for _, future in queue:
                future.cancel()
