"""One decoding of a recording for several readers that go through it side by side."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np

from faunashot.audio.decode import Audio, decode
from faunashot.errors import AudioError

BLOCK_S = 60
"""Seconds that are decoded at once."""

PREROLL_S = 1
"""What is decoded before a block and dropped: decoders of lossy formats need a run-up."""

MOST_BYTES = 2**28
"""Samples that are kept at most; beyond it what was kept longest is decoded again if asked for."""


_Key = tuple[Path | bytes, int | None]
"""A recording, and the number of a block of it; None for all of it."""


class SharedDecoding:
    """Decodes spans of recordings, and keeps the last of what it decoded.

    Called as `faunashot.audio.decode.decode` is, from several threads at once, it gives the same
    samples; those of lossy formats differ in their last bits at most.
    """

    def __init__(self) -> None:
        self._blocks: OrderedDict[_Key, Future[Audio | None]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, source: Path | bytes, *, span_s: tuple[int, int] | None = None) -> Audio:
        """Decode a recording, or a span of it."""
        if span_s is None:
            whole = self._block(source, None)
            assert whole is not None
            return whole
        first_s, last_s = span_s
        try:
            found = [
                self._block(source, number)
                for number in range(first_s // BLOCK_S, -(-last_s // BLOCK_S))
            ]
        except AudioError:  # which may be in what was not asked for
            return decode(source, span_s=span_s)
        blocks = [block for block in found if block is not None]
        if not blocks or found[0] is None:
            return decode(source, span_s=span_s)
        rate = blocks[0].sample_rate
        begin = (first_s % BLOCK_S) * rate
        samples = np.concatenate([block.samples for block in blocks])
        samples = samples[begin : begin + (last_s - first_s) * rate]
        if not len(samples):
            raise AudioError("holds no samples")
        return replace(blocks[0], samples=samples)

    def _block(self, source: Path | bytes, number: int | None) -> Audio | None:
        """A block of a recording, or all of it; None after its end."""
        key = source, number
        with self._lock:
            future = self._blocks.get(key)
            is_ours = future is None
            if future is None:
                future = self._blocks[key] = Future()
        if is_ours:
            try:
                future.set_result(_decoded(source, number))
            except BaseException as error:
                future.set_exception(error)
            self._forget()
        return future.result()

    def _forget(self) -> None:
        with self._lock:
            done = [key for key, future in self._blocks.items() if future.done()]
            sizes = {key: _n_bytes(self._blocks[key]) for key in done}
            total = sum(sizes.values())
            for key in done:
                if total <= MOST_BYTES:
                    return
                total -= sizes[key]
                del self._blocks[key]


def _n_bytes(future: Future[Audio | None]) -> int:
    found = None if future.exception() else future.result()
    return 0 if found is None else found.samples.nbytes


def _decoded(source: Path | bytes, number: int | None) -> Audio | None:
    if number is None:
        return decode(source)
    begin_s = number * BLOCK_S
    before_s = max(0, begin_s - PREROLL_S)
    try:
        audio = decode(source, span_s=(before_s, begin_s + BLOCK_S))
    except AudioError as error:
        if number and str(error) == "holds no samples":
            return None
        raise
    samples = audio.samples[(begin_s - before_s) * audio.sample_rate :]
    return replace(audio, samples=samples) if len(samples) else None
