"""A recording as a network reads it: decoded, resampled and cut, as a whole or in chunks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from faunashot.audio.decode import NO_SAMPLES, Announced, Audio, Decode
from faunashot.audio.perturbation import Perturbation
from faunashot.audio.reading import Reading
from faunashot.audio.resample import resample
from faunashot.audio.windows import count_windows
from faunashot.errors import AudioError
from faunashot.features.extractors import Extractor
from faunashot.frontends.base import FloatArray

CHUNK_S = 60.0
"""A recording longer than this is decoded in chunks of whole windows, about so long."""

MARGIN_S = 1
"""What is decoded before and after a chunk, for the resampling filter and for lossy codecs."""

TOO_SHORT = "ends before its header says"
"""The same of every chunk that is not there, so that they are listed as one."""


@dataclass(frozen=True)
class ChunkSpan:
    """Windows of a recording, from `first` up to `stop`; to its end where that is None."""

    first: int = 0
    stop: int | None = None


WHOLE = ChunkSpan()


@dataclass(frozen=True)
class Frames:
    """A chunk of a recording as the network reads it.

    Attributes
    ----------
    inputs : ndarray of float32, shape (N, ...)
        Of zeros after the recording's end.
    start_s, end_s : ndarray, shape (N,)
        What each window covers of the recording, never past its end.
    """

    inputs: FloatArray
    start_s: npt.NDArray[np.float64]
    end_s: npt.NDArray[np.float64]


def expected_windows(found: Announced, extractor: Extractor) -> int:
    """How many windows a recording has if it is as long as its header says."""
    samples = round(found.duration_s * extractor.sample_rate)
    return count_windows(samples, extractor.window_samples, hop=extractor.hop_samples)


def chunk_spans(found: Announced | None, extractor: Extractor) -> list[ChunkSpan]:
    """Chunks of a recording; one where it is short, or its header gives no length."""
    size = max(1, int(CHUNK_S / extractor.hop_s))
    if found is None or found.duration_s <= CHUNK_S:
        return [WHOLE]
    n = expected_windows(found, extractor)
    firsts = range(0, n, size)
    return [ChunkSpan(at, at + size if at + size < n else None) for at in firsts]


def cut(
    source: Path | bytes | Audio,
    extractor: Extractor,
    *,
    perturbation: Perturbation | None = None,
    span: ChunkSpan = WHOLE,
    decode: Decode | None = None,
) -> Frames:
    """Decode a chunk of a recording, perturb it where asked, and put it through the front end.

    `decode` is what decodes it, where that is not `faunashot.audio.decode.decode`.

    Raises
    ------
    AudioError
        It cannot be decoded or perturbed, or ends before the chunk does.
    """
    rate, hop, first = extractor.sample_rate, extractor.hop_samples, span.first
    if span == WHOLE:
        begins_s, audio = 0, extractor.reading.read(source, decode=decode)
    else:
        begins_s = max(0, first * hop // rate - MARGIN_S)
        span_s = begins_s, _ends_s(span, extractor)
        audio = _read_span(source, extractor.reading, span_s, decode)
    samples, rate_hz = audio.samples[:, 0], audio.sample_rate
    if perturbation is not None:
        samples, rate_hz = perturbation(samples, rate_hz)
    # a span begins at a whole second, where the samples of both rates coincide
    samples = resample(samples, rate_hz, to_hz=rate)
    last_s = begins_s + max(len(samples), 1) / rate  # a click may resample to nothing
    samples = samples[first * hop - begins_s * rate :]
    if span.stop is not None:
        wanted = (span.stop - 1 - first) * hop + extractor.window_samples
        if len(samples) < wanted:
            raise AudioError(TOO_SHORT)
        samples = samples[:wanted]
    elif not len(samples) and first:
        raise AudioError(TOO_SHORT)
    inputs = extractor.front_end(samples)
    start_s = (first + np.arange(len(inputs), dtype=np.float64)) * hop / rate
    end_s = np.asarray(np.minimum(start_s + extractor.window_s, last_s), dtype=np.float64)
    by = extractor.reading.time_expansion
    return Frames(inputs, start_s / by, end_s / by)


def _read_span(
    source: Path | bytes | Audio,
    reading: Reading,
    span_s: tuple[int, int],
    decode: Decode | None,
) -> Audio:
    try:
        return reading.read(source, span_s=span_s, decode=decode)
    except AudioError as error:
        if str(error) == NO_SAMPLES:  # after its end
            raise AudioError(TOO_SHORT) from error
        raise


def _ends_s(span: ChunkSpan, extractor: Extractor) -> int:
    """Where to stop decoding a chunk; one that goes to the end has room for a header's error."""
    if span.stop is None:
        return int(span.first * extractor.hop_s + 3 * CHUNK_S)
    last = (span.stop - 1) * extractor.hop_samples + extractor.window_samples
    return -(-last // extractor.sample_rate) + MARGIN_S
