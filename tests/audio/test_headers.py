"""A header that announces more audio than there is; sizes nobody knew announce nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.audio.decode import decode
from faunashot.audio.headers import UNKNOWN_SIZES, cut_off
from faunashot.errors import AudioError

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
def test_no_cut_goes_unnoticed(container, subtype, encode, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # without ffmpeg, which takes longer to refuse
    content = encode(container, subtype)

    @settings(max_examples=50, deadline=None)
    @given(kept=st.integers(0, len(content) - 1))
    def refused(kept: int) -> None:
        with pytest.raises(AudioError):
            decode(content[:kept])

    refused()


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
