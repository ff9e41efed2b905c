"""A recording that is longer than it may be is not decoded, whatever its header says."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc

import numpy as np
import pytest
import soundfile as sf

from faunashot.audio import decode as module
from faunashot.audio.decode import Audio, decode
from faunashot.errors import AudioError


def encoded(seconds: float, *, kind: str, subtype: str | None = None, rate: int = 8000) -> bytes:
    """Silence, but for a click at its end."""
    samples = np.zeros(round(seconds * rate), np.float32)
    samples[-1] = 0.5
    file = io.BytesIO()
    sf.write(file, samples, rate, format=kind, subtype=subtype)
    return file.getvalue()


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", None), ("OGG", "OPUS"), ("WAV", "PCM_U8")])
def test_hours_of_silence_in_few_bytes_take_no_memory(kind: str, subtype: str | None) -> None:
    hours = encoded(3600, kind=kind, subtype=subtype)
    tracemalloc.start()
    began = time.thread_time()
    with pytest.raises(AudioError, match="longer than 300 s: send parts of it"):
        decode(hours, longest_s=300)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", None), ("OGG", "OPUS"), ("WAV", None)])
def test_what_is_as_long_as_it_may_be_is_decoded_as_ever(kind: str, subtype: str | None) -> None:
    content = encoded(2, kind=kind, subtype=subtype)
    limited, whole = decode(content, longest_s=2), decode(content)
    np.testing.assert_array_equal(limited.samples, whole.samples)
    assert (limited.codec, limited.note) == (whole.codec, whole.note)


def test_a_format_of_ffmpeg_is_decoded_no_further_whatever_its_header_says() -> None:
    content = matroska(30)
    with pytest.raises(AudioError, match="longer than 3 s"):
        decode(content, longest_s=3)
    assert decode(content, longest_s=31).duration_s == pytest.approx(30, abs=0.1)


def matroska(seconds: float) -> bytes:
    """A recording in Matroska, which FFmpeg reads."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for _ in range(round(seconds * 10)):
            samples = (np.random.default_rng(0).normal(0, 3000, (1, 800))).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def test_many_channels_of_a_high_rate_are_too_many_samples(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_VALUES_S", 10_000)
    samples = np.random.default_rng(0).normal(0, 0.1, (8000, 4)).astype(np.float32)
    file = io.BytesIO()
    sf.write(file, samples, 8000, format="WAV")
    with pytest.raises(AudioError, match="4 channels of 8000 Hz for 1 s are too many samples"):
        decode(file.getvalue(), longest_s=2)
    assert decode(file.getvalue(), longest_s=4).duration_s == 1


def test_samples_that_are_no_numbers_are_refused() -> None:
    file = io.BytesIO()
    samples = np.full(8000, np.nan, np.float32)
    sf.write(file, samples, 8000, format="WAV", subtype="FLOAT")
    with pytest.raises(AudioError, match="holds 8000 samples that are NaN or infinite"):
        decode(file.getvalue(), longest_s=10)


def test_a_header_that_announces_years_is_refused_before_memory_is_taken() -> None:
    content = bytearray(encoded(1, kind="FLAC"))
    at = 8 + 10  # the last bytes of STREAMINFO's rate and, in 36 bits, its number of samples
    (word,) = struct.unpack(">Q", content[at : at + 8])
    content[at : at + 8] = struct.pack(">Q", word | (2**36 - 1))
    with pytest.raises(AudioError):
        decode(bytes(content), longest_s=300)


def test_a_part_of_what_was_decoded_is_what_a_decoder_gives_of_it() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, (4 * 8000, 2)).astype(np.float32)
    audio = Audio(samples, 8000, "WAV/FLOAT")
    file = io.BytesIO()
    sf.write(file, samples, 8000, format="WAV", subtype="FLOAT")
    for span in [(0, 2), (1, 3), (3, 9)]:
        np.testing.assert_array_equal(
            audio.span(span).samples, decode(file.getvalue(), span_s=span).samples
        )
    assert audio.span(None) is audio
    with pytest.raises(AudioError, match="holds no samples"):
        audio.span((4, 5))
