"""A header that announces more audio than there is: what is there is used, with a note."""

from __future__ import annotations

import struct
from pathlib import Path

import encoded
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.audio.decode import announced, decode
from faunashot.audio.headers import CLUSTER, EBML, MOST_SURPLUS, SEGMENT, examine
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
    for source in (content, tmp_path / "whole"):
        assert (examine(source).note, examine(source).head) == (None, None)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # soundfile's own
@pytest.mark.parametrize(("container", "subtype"), CONTAINERS)
def test_no_cut_goes_unnoticed(container, subtype, encode) -> None:
    content = encode(container, subtype)
    surplus = 0 if container in ("OGG", "FLAC") else min(len(content) - 48_000, MOST_SURPLUS)

    @settings(max_examples=50, deadline=None)
    @given(kept=st.integers(0, len(content) - 1))
    def noticed(kept: int) -> None:
        assert is_refused_or_noted(content, kept) or len(content) - kept <= surplus

    noticed()


def is_refused_or_noted(content: bytes, kept: int) -> bool:
    """Whether a part of a recording is refused, or used for what it is."""
    try:
        audio = decode(content[:kept])
    except AudioError as error:
        return "\n" not in str(error)
    whole = decode(content).samples
    assert len(audio.samples) <= len(whole)
    return audio.note is not None and audio.note.startswith("cut off: ")


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mka", "flac"), ("a.webm", "libopus"), ("a.m4a", "alac")]
)
def test_no_cut_of_what_ffmpeg_reads_goes_unnoticed(name, codec, tone, tmp_path: Path) -> None:
    options = {"movflags": "faststart"} if name == "a.m4a" else {}
    content = encoded.write(
        tmp_path / name, tone, 48_000, codec=codec, options=options
    ).read_bytes()
    assert examine(content).note is None

    @settings(max_examples=100, deadline=None)
    @given(kept=st.integers(0, len(content) - 1))
    def noticed(kept: int) -> None:
        assert is_refused_or_noted(content, kept)

    noticed()


def test_a_matroska_that_is_still_recorded_has_no_size(tone, tmp_path: Path) -> None:
    """As a browser writes it: neither the segment nor a cluster says how long it is."""
    file = encoded.write(tmp_path / "a.webm", tone, 48_000, options={"live": "1"})
    content = bytearray(file.read_bytes())
    assert content.count(SEGMENT + UNKNOWN) == 1
    at = content.index(CLUSTER) + len(CLUSTER)
    length = 9 - content[at].bit_length()
    content[at : at + length] = UNKNOWN
    assert examine(bytes(content)).note is None
    assert decode(bytes(content)).duration_s == pytest.approx(0.5, abs=0.05)
    for kept in (len(content) - 9, len(content) * 2 // 3):
        assert is_refused_or_noted(bytes(content), kept)


@given(size=st.integers(0, 2**56 - 1), kind=st.sampled_from([SEGMENT, CLUSTER, b"\xec"]))
def test_sizes_that_no_file_has_do_not_raise(size, kind, tmp_path_factory) -> None:
    matroska = EBML + b"\x80" + kind + b"\x01" + size.to_bytes(7) + b"\0" * 99
    mp4 = struct.pack(">I", 12) + b"ftypM4A " + struct.pack(">I4sQ", 1, b"mdat", size << 8)
    for content in (matroska, mp4):
        file = tmp_path_factory.getbasetemp() / "sizes"
        file.write_bytes(content)
        assert examined(file) == examined(content)


def examined(source: Path | bytes) -> object:
    """What is found, or the reason why it is refused."""
    try:
        return examine(source)
    except AudioError as error:
        return str(error)


@pytest.mark.parametrize("container", ["WAV", "RF64", "W64", "AIFF", "CAF", "AU"])
def test_the_missing_bytes_are_counted(container: str, encode) -> None:
    content = encode(container)
    note = "cut off: 4800 bytes of audio that its header announces are not there, 10 % of it"
    assert examine(content[:-4_800]).note == note
    audio = decode(content[:-4_800])
    assert audio.note == note
    np.testing.assert_array_equal(audio.samples, decode(content).samples[: 24_000 - 2_400])
    with pytest.raises(AudioError, match=r"^cut off: 24100 bytes .* 50.2 % of it, which is too"):
        decode(content[:-24_100])


@pytest.mark.parametrize("container", ["WAV", "AIFF"])
def test_a_header_that_counts_itself_too_says_nothing(container: str, encode) -> None:
    content = encode(container)[:-44]
    assert len(decode(content).samples) == 24_000 - 22
    assert decode(content).note is None


def test_chunks_of_odd_size_before_the_data_are_stepped_over(tone, encode) -> None:
    wav = encode()
    at = wav.index(b"data")
    noted = wav[:at] + b"LIST\x03\0\0\0abc\0" + wav[at:]
    assert len(decode(noted).samples) == len(tone)
    assert examine(noted[:-999]).note == examine(wav[:-999]).note


def pages(ogg: bytes) -> list[bytes]:
    """The pages of an Ogg stream."""
    return [b"OggS" + page for page in ogg.split(b"OggS")[1:]]


@pytest.fixture(scope="module", params=["VORBIS", "OPUS"])
def ogg(request, encode) -> bytes:
    """Ten seconds of noise."""
    noise = np.random.default_rng(0).normal(0, 0.1, 480_000)
    content: bytes = encode("OGG", request.param, samples=noise)
    return content


def test_an_ogg_stream_without_a_last_page_is_used(ogg) -> None:
    for content in (b"".join(pages(ogg)[:-1]), ogg[:-9]):
        audio = decode(content)
        assert audio.note == "cut off: its stream has no whole last page"
        assert 9 < audio.duration_s < 10


def test_an_ogg_stream_that_is_cut_in_front_or_lacks_a_part_is_used(ogg) -> None:
    whole = pages(ogg)
    for first, lost in ((2, 4), (len(whole) // 2, 2)):
        audio = decode(b"".join(whole[:first] + whole[first + lost :]))
        assert str(audio.note).startswith(f"cut off: {lost} pages of its stream are not there, ")
        assert 5 < audio.duration_s < 9.5
    with pytest.raises(AudioError, match=f"{len(whole) - 4} pages of .* too much to go without"):
        decode(b"".join(whole[:2] + whole[-2:]))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"OggS", b".snd", b"RIFF\0\0\0\0WAVEdata"])
def test_stumps_do_not_raise(content: bytes) -> None:
    assert examine(content).note in (None, "cut off: its stream has no whole last page")


def test_a_flac_that_announces_more_than_any_memory_holds_is_refused(encode, tmp_path) -> None:
    content = bytearray(encode("FLAC"))
    content[21] |= 0x0F  # the first bits of its number of samples
    (tmp_path / "a.flac").write_bytes(content)
    for read in (decode, announced):
        with pytest.raises(AudioError, match="its end cannot be decoded, 100 % of it"):
            read(tmp_path / "a.flac")
