"""Recordings to features: decoding in threads, inference in batches across clips."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.audio.decode import decode
from faunashot.audio.equalise import Equaliser
from faunashot.audio.resample import resample
from faunashot.audio.windows import split_windows
from faunashot.backbones.base import Backbone, FloatArray
from faunashot.backbones.store import Features, Maker, empty
from faunashot.errors import AudioError

WORKERS, AHEAD = 2, 16


@dataclass(frozen=True)
class Cut:
    """A recording cut into windows.

    Attributes
    ----------
    windows : float32, (N, window_samples), zeros after the recording's end.
    start_s, end_s : (N,) what each window covers of the recording, never past its end.
    """

    windows: FloatArray
    start_s: npt.NDArray[np.float64]
    end_s: npt.NDArray[np.float64]


def cut(source: Path | bytes, backbone: Backbone, *, equaliser: Equaliser | None = None) -> Cut:
    """Decode a recording, equalise it where asked, and cut it as `backbone` wants it.

    Raises
    ------
    AudioError
        It cannot be decoded.
    """
    audio = decode(source)
    samples, rate_hz = audio.mono(), audio.sample_rate
    if equaliser is not None:
        samples, rate_hz = equaliser(samples, rate_hz)
    samples = resample(samples, rate_hz, to_hz=backbone.sample_rate)
    hop = round(backbone.hop_s * backbone.sample_rate)
    windows = split_windows(samples, backbone.window_samples, hop=hop)
    start_s = np.arange(len(windows), dtype=np.float64) * hop / backbone.sample_rate
    last_s = max(len(samples), 1) / backbone.sample_rate  # a click may resample to nothing
    end_s = np.asarray(np.minimum(start_s + backbone.window_s, last_s), dtype=np.float64)
    return Cut(windows, start_s, end_s)


def embed_windows(windows: FloatArray, backbone: Backbone) -> FloatArray:
    """Embed windows in the backbone's batches, (N, window_samples) -> (N, dim)."""
    size = backbone.batch_size
    parts = [backbone.embed(windows[at : at + size]) for at in range(0, len(windows), size)]
    return np.concatenate(parts)


def embed_clips(
    clips: Iterable[tuple[str, Path]],
    backbone: Backbone,
    *,
    equaliser: Equaliser | None = None,
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
    for clip_id, found in _decoded(clips, backbone, equaliser):
        rows = {"clip_id": clip_id, "start_s": found.start_s, "end_s": found.end_s}
        index.append(pd.DataFrame(rows))
        pending.append(found.windows)
        if sum(map(len, pending)) >= backbone.batch_size:
            ready = np.concatenate(pending)
            full = len(ready) - len(ready) % backbone.batch_size
            parts.append(embed_windows(ready[:full], backbone))
            pending = [ready[full:]] if full < len(ready) else []
        on_clip(clip_id)
    if pending:
        parts.append(embed_windows(np.concatenate(pending), backbone))
    if not index:
        return empty(type(backbone), hop_s=backbone.hop_s)
    return Features(np.concatenate(parts), pd.concat(index, ignore_index=True), Maker.of(backbone))


def _decoded(
    clips: Iterable[tuple[str, Path]], backbone: Backbone, equaliser: Equaliser | None
) -> Iterator[tuple[str, Cut]]:
    """Windows of each clip in order, at most `AHEAD` clips decoded in advance."""

    def work(path: Path) -> Cut:
        try:
            return cut(path, backbone, equaliser=equaliser)
        except AudioError as error:
            raise AudioError(f"{path}: {error}") from error

    queue: deque[tuple[str, Future[Cut]]] = deque()
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
