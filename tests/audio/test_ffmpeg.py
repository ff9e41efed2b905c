"""What libsndfile does not read goes to ffmpeg, which may open that one file only."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from faunashot.audio import ffmpeg as module
from faunashot.audio.decode import announced, decode
from faunashot.errors import AudioError


@pytest.fixture
def convert(ffmpeg: str, encode, tmp_path: Path):
    """Write the tone as ffmpeg's codec and container of a file name."""

    def converted(name: str, codec: str) -> Path:
        command = [ffmpeg, "-v", "error", "-i", "pipe:0", "-c:a", codec, tmp_path / name]
        subprocess.run(command, input=encode(), check=True)
        return tmp_path / name

    return converted


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.m4a", "alac"), ("a.mkv", "flac"), ("a.mka", "pcm_s16le"), ("a.tta", "tta")],
)
def test_other_containers_are_decoded(name: str, codec: str, convert, tone) -> None:
    file = convert(name, codec)
    audio, of_bytes = decode(file), decode(file.read_bytes())
    assert (audio.codec, audio.sample_rate) == ("ffmpeg", 48_000)
    np.testing.assert_allclose(audio.mono(), tone, rtol=0, atol=2.0**-15)
    np.testing.assert_array_equal(of_bytes.samples, audio.samples)


def test_flac_of_unknown_length_is_decoded(ffmpeg: str, encode) -> None:
    flac = bytearray(encode("FLAC"))
    flac[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
    flac[22:26] = bytes(4)
    np.testing.assert_array_equal(decode(bytes(flac)).samples, decode(encode("FLAC")).samples)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mka", "flac"), ("a.m4a", "alac"), ("a.aac", "aac"), ("a.wma", "wmav2")]
)
def test_cut_off_containers_are_refused(name: str, codec: str, convert) -> None:
    content = convert(name, codec).read_bytes()
    with pytest.raises(AudioError, match=r"cut off|can decode it"):
        decode(content[: len(content) * 6 // 10])


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{file}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile {file}\n",
    "list.wav": "ffconcat version 1.0\nfile {file}\n",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
def test_playlists_open_no_other_file(name: str, absolute: bool, convert) -> None:
    secret = convert("secret.aac", "aac")
    playlist = secret.with_name(name)
    playlist.write_text(PLAYLISTS[name].format(file=secret if absolute else secret.name))
    for source in (playlist, playlist.read_bytes()):
        with pytest.raises(AudioError, match="nor ffmpeg can decode it"):
            decode(source)


def test_without_ffmpeg_the_reason_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AudioError, match=r"\(format not recognised\), and no ffmpeg to try"):
        decode(b"not audio at all\n" * 9)


def test_an_ffmpeg_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module, "TIMEOUT_S", 0.2)
    with pytest.raises(AudioError, match="nor ffmpeg can decode it"):
        decode(b"not audio at all\n" * 9)


def test_an_mp3_that_does_not_tell_its_length_is_read_to_its_end(ffmpeg, encode, tmp_path) -> None:
    loud = tmp_path / "loud at last.mp3"
    quiet = "volume=0.01:enable='lt(t,60)'"  # the first bit rate is low, and the guess too short
    source = ["-f", "lavfi", "-i", "anoisesrc=d=90:r=44100:a=0.8", "-af", quiet]
    command = [ffmpeg, "-v", "error", *source, "-q:a", "4", "-write_xing", "0", loud]
    subprocess.run(command, check=True)
    for read in (loud, loud.read_bytes()):
        assert decode(read).duration_s == pytest.approx(90, abs=0.2)
    assert announced(loud) is None
