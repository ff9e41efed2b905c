"""A header that announces more audio than there is; sizes nobody knew announce nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import encoded
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.audio.decode import decode
from faunashot.audio.headers import CLUSTER, EBML, SEGMENT, UNKNOWN_SIZES, cut_off
from faunashot.errors import AudioError

UNKNOWN = b"\x01" + b"\xff" * 7
"""Size of an element of Matroska that is not known."""

CONTAINERS = [
    ("WAV", "PCM_16"),
    ("WAVEX", "PCM_24"),
    ("RF64", "PCM_16"),
    ("AIFF", "PCM_16"),
    ("AU", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("FLAC", "PCM_16"),
]


@pytest.mark.parametrize(("container", "subtype"), CONTAINERS)
def test_whole_files_lack_nothing(container, subtype, encode, tmp_path: Path) -> None:
    content = encode(container, subtype)
    (tmp_path / "whole").write_bytes(content)
    assert cut_off(content) is None
    assert cut_off(tmp_path / "whole") is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # soundfile's own
@pytest.mark.parametrize(("container", "subtype"), CONTAINERS)
def test_no_cut_goes_unnoticed(container, subtype, encode) -> None:
    content = encode(container, subtype)

    @settings(max_examples=50, deadline=None)
    @given(kept=st.integers(0, len(content) - 1))
    def refused(kept: int) -> None:
        with pytest.raises(AudioError):
            decode(content[:kept])

    refused()


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mka", "flac"), ("a.webm", "libopus"), ("a.m4a", "alac")]
)
def test_no_cut_of_what_ffmpeg_reads_goes_unnoticed(name, codec, tone, tmp_path: Path) -> None:
    options = {"movflags": "faststart"} if name == "a.m4a" else {}
    content = encoded.write(
        tmp_path / name, tone, 48_000, codec=codec, options=options
    ).read_bytes()
    assert cut_off(content) is None

    @settings(max_examples=100, deadline=None)
    @given(kept=st.integers(0, len(content) - 1))
    def refused(kept: int) -> None:
        with pytest.raises(AudioError):
            decode(content[:kept])

    refused()


def test_a_matroska_that_is_still_recorded_has_no_size(tone, tmp_path: Path) -> None:
    """As a browser writes it: neither the segment nor a cluster says how long it is."""
    file = encoded.write(tmp_path / "a.webm", tone, 48_000, options={"live": "1"})
    content = bytearray(file.read_bytes())
    assert content.count(SEGMENT + UNKNOWN) == 1
    at = content.index(CLUSTER) + len(CLUSTER)
    length = 9 - content[at].bit_length()
    content[at : at + length] = UNKNOWN
    assert cut_off(bytes(content)) is None
    assert decode(bytes(content)).duration_s == pytest.approx(0.5, abs=0.05)
    for kept in (len(content) - 9, len(content) * 2 // 3):
        with pytest.raises(AudioError, match="cut off"):
            decode(bytes(content[:kept]))


@given(size=st.integers(0, 2**56 - 1), kind=st.sampled_from([SEGMENT, CLUSTER, b"\xec"]))
def test_sizes_that_no_file_has_do_not_raise(size, kind, tmp_path_factory) -> None:
    matroska = EBML + b"\x80" + kind + b"\x01" + size.to_bytes(7) + b"\0" * 99
    mp4 = struct.pack(">I", 12) + b"ftypM4A " + struct.pack(">I4sQ", 1, b"mdat", size << 8)
    for content in (matroska, mp4):
        file = tmp_path_factory.getbasetemp() / "sizes"
        file.write_bytes(content)
        assert cut_off(file) == cut_off(content)


@pytest.mark.parametrize("container", ["WAV", "RF64", "AIFF", "AU"])
def test_the_missing_bytes_are_counted(container: str, encode) -> None:
    reason = "7 bytes of audio that its header announces are not there"
    assert cut_off(encode(container)[:-7]) == reason


@pytest.mark.parametrize("size", UNKNOWN_SIZES)
def test_unknown_sizes_are_not_called_cut_off(size: int, encode) -> None:
    wav, au = bytearray(encode()), bytearray(encode("AU"))
    at = wav.index(b"data") + 4
    wav[at : at + 4] = struct.pack("<I", size)
    au[8:12] = struct.pack(">I", size)
    assert cut_off(bytes(wav)) is None
    assert cut_off(bytes(au)) is None


def test_a_recorder_that_knew_no_size_is_decoded(tone, encode) -> None:
    wav = bytearray(encode())
    at = wav.index(b"data") + 4
    wav[at : at + 4] = wav[4:8] = b"\xff" * 4
    assert len(decode(bytes(wav)).samples) == len(tone)


def test_chunks_of_odd_size_before_the_data_are_stepped_over(tone, encode) -> None:
    wav = encode()
    at = wav.index(b"data")
    noted = wav[:at] + b"LIST\x03\0\0\0abc\0" + wav[at:]
    assert len(decode(noted).samples) == len(tone)
    assert cut_off(noted[:-7]) == cut_off(wav[:-7])


def test_chunks_after_the_data_are_no_audio(encode) -> None:
    assert cut_off(encode() + b"LIST\xff\0\0\0abc") is None


def test_an_ogg_stream_without_a_last_page_is_cut_off(encode) -> None:
    ogg = bytearray(encode("OGG", "VORBIS"))
    ogg[ogg.rindex(b"OggS") + 5] &= ~0x04
    assert cut_off(bytes(ogg)) == "its stream has no whole last page"


@pytest.mark.parametrize("content", [b"", b"RIFF", b"OggS", b".snd", b"RIFF\0\0\0\0WAVEdata"])
def test_stumps_do_not_raise(content: bytes) -> None:
    assert cut_off(content) in (None, "its stream has no whole last page")
