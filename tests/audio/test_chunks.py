"""A header that announces less audio than there is: all is read, and said."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.audio.chunks import UNKNOWN_SIZES
from faunashot.audio.decode import announced, decode
from faunashot.audio.headers import examine
from faunashot.errors import AudioError

N = 24_000
LESS = {
    "WAV": ("<", b"data", 4, 0),
    "WAVEX": ("<", b"data", 4, 0),
    "W64": ("<", b"data", 16, 24),
    "AIFF": (">", b"SSND", 4, 8),
    "CAF": (">", b"data", 4, 4),
    "AU": (">", b".snd", 8, 0),
}
"""Byte order, chunk of audio, bytes from its name to its size, and what the size counts beside."""

RF64_SIZE = 28
"""Where the size of the audio stands in the ds64 chunk that libsndfile writes first."""


def resized(content: bytes, container: str, size: int) -> bytes:
    """A file whose header announces so many bytes of audio."""
    changed = bytearray(content)
    if container == "RF64":
        changed[RF64_SIZE : RF64_SIZE + 8] = struct.pack("<Q", size)
        return bytes(changed)
    order, name, after, beside = LESS[container]
    at = content.index(name) + after
    width = {"W64": "Q", "CAF": "Q"}.get(container, "I")
    counted = size if size in UNKNOWN_SIZES else size + beside
    changed[at : at + struct.calcsize(width)] = struct.pack(order + width, counted)
    return bytes(changed)


@pytest.mark.parametrize("size", [8, 4_416])
@pytest.mark.parametrize("container", [*LESS, "RF64"])
@pytest.mark.parametrize("as_file", [True, False], ids=["file", "bytes"])
def test_what_a_crash_left_unannounced_is_read(container, size, as_file, encode, tmp_path) -> None:
    whole = encode(container)
    source = resized(whole, container, size)
    if as_file:
        (tmp_path / "crashed").write_bytes(source)
        source = tmp_path / "crashed"
        assert announced(source).duration_s == 0.5
        assert announced(source).announces_less
    audio = decode(source)
    np.testing.assert_array_equal(audio.samples, decode(whole).samples)
    assert audio.codec == decode(whole).codec
    assert audio.note == f"its header announces {size} of the 48000 bytes of audio: all are read"


@pytest.mark.parametrize("size", UNKNOWN_SIZES)
@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU"])
def test_a_size_that_was_not_known_is_none(container, size, encode) -> None:
    audio = decode(resized(encode(container), container, size))
    np.testing.assert_array_equal(audio.samples, decode(encode(container)).samples)
    if (container, size) != ("AU", 0xFFFFFFFF):  # whose format says so like that
        assert audio.note == "its header gives no length: all that is there is read"


@pytest.mark.parametrize(("riff", "size"), [(36, 0), (8, 0), (0, 0), (0xFFFFFFFF, 0xFFFFFFDB)])
def test_so_is_one_beside_a_riff_size_that_was_not(riff, size, encode) -> None:
    wav = bytearray(resized(encode(), "WAV", size))
    wav[4:8] = struct.pack("<I", riff)
    assert len(decode(bytes(wav)).samples) == N


NOTES = [
    b"LIST\x1a\0\0\0INFOISFT\x0d\0\0\0Lavf60.16.100\0",
    b"bext" + struct.pack("<I", 602) + b"b" * 602,
    b"iXML" + struct.pack("<I", 4_000) + b"<BWFXML/>" + b" " * 3_991,
    b"id3 " + struct.pack("<I", 2_000) + b"ID3" + b"\1" * 1_997,
    b"guan" + struct.pack("<I", 900) + b"GUANO|Version: 1.0\n".ljust(900),
    b"wamd" + struct.pack("<I", 700) + b"\1" * 700,
    b"cue \x04\0\0\0\0\0\0\0LIST\x04\0\0\0adtlABCD" + struct.pack("<I", 600) + b"~" * 600,
    b"LIST" + struct.pack("<I", 5_000) + b"a cut one " * 60,
    b"\0" * 32_768,
    b"TAG" + b"a title".ljust(125, b"\0"),
    b"",
]


@pytest.mark.parametrize("notes", NOTES, ids=lambda notes: str(notes[:4]))
@pytest.mark.parametrize("odd", [b"", b"\x80", b"\x80\0"], ids=["even", "unpadded", "padded"])
def test_notes_and_padding_after_the_audio_are_none(notes, odd, encode) -> None:
    """Also after audio of an odd size, whether it is padded or not."""
    whole = encode(subtype="PCM_U8")
    source = resized(whole + odd + notes, "WAV", N + bool(odd))
    audio = decode(source)
    assert (len(audio.samples), audio.note) == (N + bool(odd), None)


def test_an_empty_recording_with_notes_stays_empty(encode) -> None:
    empty = encode(samples=np.zeros(0)) + NOTES[0]
    assert examine(empty).there == 0


def test_audio_that_looks_like_a_chunk_by_its_name_is_audio(encode) -> None:
    whole = bytearray(encode())
    at = whole.index(b"data") + 8 + 44
    whole[at : at + 4] = b"ABCD"
    audio = decode(resized(bytes(whole), "WAV", 44))
    assert len(audio.samples) == N


@pytest.mark.parametrize("container", [*LESS, "RF64"])
def test_no_header_ends_in_another_error(container, encode, tmp_path, capfd) -> None:
    whole, file = encode(container, samples=np.ones(2_000)), tmp_path / "odd"

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.tuples(st.integers(0, 120), st.sampled_from([0, 1, 127, 255])), max_size=8),
        st.integers(50, len(whole)),
    )
    def answered(changes: list[tuple[int, int]], kept: int) -> None:
        content = bytearray(whole)
        for at, byte in changes:
            content[at] = byte
        file.write_bytes(content[:kept])
        with suppress(AudioError):
            assert len(decode(file).samples) > 0

    answered()
    assert capfd.readouterr().err == ""


RATE = 16_000
LONG_S = 150_000
"""A length in seconds that takes 4.8 GB at 16 kHz and 16 bits."""


@pytest.fixture(params=["WAV", "RF64"])
def past_4_gib(request, encode, tmp_path: Path) -> Path:
    """A sparse file of silence but for its beginning and end, whose length wrapped or is wrong."""
    noise = np.random.default_rng(0).normal(0, 0.1, RATE)
    wav = encode(request.param, samples=noise, rate_hz=RATE)
    start = wav.index(b"data") + 8
    file = tmp_path / "long.wav"
    with file.open("wb") as opened:
        opened.write(resized(wav, request.param, LONG_S * RATE * 2 % 2**32)[:start])
        opened.write(wav[start:])
        opened.seek(start + (LONG_S - 1) * RATE * 2)
        opened.write(wav[start:])
    return file


def test_a_recording_past_4_gib_is_read_to_its_end(past_4_gib: Path, encode) -> None:
    found = announced(past_4_gib)
    assert (found.duration_s, found.announces_less) == (LONG_S, True)
    assert str(found.note).startswith("its header announces 505032704 of the 4800000000 bytes")
    first, last = (decode(past_4_gib, span_s=span).samples for span in ((0, 1), (149_999, 150_001)))
    assert np.abs(first).max() > 0.1
    np.testing.assert_array_equal(first, last)


def test_its_notes_are_no_audio(past_4_gib: Path) -> None:
    with past_4_gib.open("ab") as opened:
        opened.write(NOTES[0] + NOTES[1])
    assert announced(past_4_gib).duration_s == LONG_S
