"""What libsndfile does not read is decoded by FFmpeg's libraries, which open that one file only."""

from __future__ import annotations

import io
import struct
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import encoded
import numpy as np
import pytest

from faunashot.audio.av_decode import _SAMPLES, _File, _float32
from faunashot.audio.decode import announced, decode
from faunashot.errors import AudioError

RATE = 48_000
LOSSLESS = [
    ("a.m4a", "alac", "MOV/ALAC"),
    ("a.mkv", "flac", "MATROSKA/FLAC"),
    ("a.mka", "pcm_s16le", "MATROSKA/PCM_S16LE"),
    ("a.tta", "tta", "TTA/TTA"),
    ("a.wv", "wavpack", "WV/WAVPACK"),
    ("a.avi", "pcm_s16le", "AVI/PCM_S16LE"),
]
LOSSY = [
    ("a.m4a", "aac", "MOV/AAC"),
    ("a.aac", "aac", "AAC/AAC"),
    ("a.webm", "libopus", "MATROSKA/OPUS"),
    ("a.ac3", "ac3", "AC3/AC3"),
    ("a.eac3", "eac3", "EAC3/EAC3"),
    ("a.wma", "wmav2", "ASF/WMAV2"),
    ("a.ts", "aac", "MPEGTS/AAC"),
]


@pytest.fixture
def convert(tone, tmp_path: Path):
    """Write the tone as a codec and the container of a file name."""
    return lambda name, codec: encoded.write(tmp_path / name, tone, RATE, codec=codec)


@pytest.mark.parametrize(("name", "codec", "named"), LOSSLESS)
def test_other_containers_are_decoded(name: str, codec: str, named: str, convert, tone) -> None:
    file = convert(name, codec)
    audio, of_bytes = decode(file), decode(file.read_bytes())
    assert (audio.codec, audio.sample_rate) == (named, RATE)
    np.testing.assert_allclose(audio.mono(), tone, rtol=0, atol=2.0**-15)
    np.testing.assert_array_equal(of_bytes.samples, audio.samples)


@pytest.mark.parametrize(("name", "codec", "named"), LOSSY)
def test_lossy_formats_keep_the_tone(name: str, codec: str, named: str, convert) -> None:
    file = convert(name, codec)
    audio, of_bytes = decode(file), decode(file.read_bytes())
    assert (audio.codec, audio.sample_rate) == (named, RATE)
    np.testing.assert_array_equal(of_bytes.samples, audio.samples)
    middle = audio.mono()[4_800:14_400]  # 0.2 s: a frequency resolution of 5 Hz
    assert 0.44 <= audio.duration_s < 0.56  # the encoder's delay, and a last block
    assert 5 * np.abs(np.fft.rfft(middle)).argmax() == 440
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("name", "codec", "step"),
    [
        ("a.mov", "pcm_u8", 2.0**-7),
        ("a.mov", "pcm_s16be", 2.0**-15),
        ("a.mov", "pcm_s24le", 2.0**-23),
        ("a.mov", "pcm_s32le", 2.0**-24),
        ("a.mka", "pcm_f32le", 0),
        ("a.mka", "pcm_f64le", 0),
        ("a.wav", "pcm_s64le", 2.0**-24),
        ("a.m4a", "alac", 2.0**-15),  # planar
    ],
)
def test_full_scale_is_one_and_channels_stay_apart(name, codec, step, tone, tmp_path) -> None:
    channels = np.stack([2 * tone, -tone], axis=1).clip(-1, 1 - 2.0**-7)
    audio = decode(encoded.write(tmp_path / name, channels, RATE, codec=codec))
    assert audio.samples.dtype == np.float32
    np.testing.assert_allclose(audio.samples, channels, rtol=0, atol=step)


def test_six_channels_stay_apart(tone, tmp_path: Path) -> None:
    channels = np.stack([tone * k / 6 for k in range(6)], axis=1)
    audio = decode(encoded.write(tmp_path / "a.mka", channels, RATE, codec="pcm_f32le"))
    np.testing.assert_array_equal(audio.samples, channels)


@pytest.mark.parametrize(
    ("name", "codec", "tolerance"),
    [
        *((name, codec, 0) for name, codec, _ in LOSSLESS),
        ("a.m4a", "aac", 1e-3),
        ("a.webm", "libopus", 1e-3),
        ("a.wma", "wmav2", 1e-3),
        ("a.aac", "aac", 1e-3),
        ("a.ac3", "ac3", 3e-3),
        ("a.ts", "aac", 1e-3),
    ],
)
def test_a_span_is_that_part_of_the_whole(name, codec, tolerance, tmp_path: Path) -> None:
    time_s = np.arange(11 * RATE) / RATE
    chirp = 0.5 * np.sin(2 * np.pi * (300 + 60 * time_s) * time_s)
    file = encoded.write(tmp_path / name, chirp, RATE, codec=codec)
    whole = decode(file).samples
    for first, last in [(0, 2), (1, 3), (4, 6), (8, 99)]:
        span = decode(file, span_s=(first, last)).samples
        part = whole[first * RATE : last * RATE]
        assert span.shape == part.shape
        np.testing.assert_allclose(span, part, rtol=0, atol=tolerance)
    with pytest.raises(AudioError, match="holds no samples"):
        decode(file, span_s=(50, 60))


def test_a_span_of_frames_of_several_sizes_is_right_to_a_millisecond(encode, tmp_path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 11 * RATE)
    noise[::7_001] = 0.9  # clicks, so that Vorbis changes the size
    file = encoded.remux(encode("OGG", "VORBIS", samples=noise), tmp_path / "a.mka")
    whole = decode(file)
    assert whole.codec == "MATROSKA/VORBIS"
    span, part = decode(file, span_s=(4, 8)).mono(), whole.mono()[4 * RATE : 8 * RATE]
    tick = RATE // 1_000
    off = [np.abs(np.roll(span, by) - part)[tick:-tick].max() for by in range(-tick, tick + 1)]
    assert min(off) < 1e-3


@pytest.mark.parametrize(
    ("name", "length_s"),
    [("a.m4a", 3), ("a.mka", 3), ("a.webm", 3), ("a.wma", 3), ("a.aac", None), ("a.ac3", None)],
)
def test_the_length_is_what_the_container_gives(name, length_s, tmp_path: Path) -> None:
    found = announced(encoded.write(tmp_path / name, np.zeros(3 * RATE), RATE))
    if length_s is None:  # a stream alone, whose length FFmpeg could only guess
        assert found is None
    else:
        assert (found.duration_s, found.sample_rate) == (pytest.approx(length_s, abs=0.05), RATE)
        assert found.note is None


def test_recordings_are_decoded_side_by_side(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (8, RATE))
    files = [encoded.write(tmp_path / f"{n}.m4a", x, RATE) for n, x in enumerate(noise)]
    alone = [decode(file).samples for file in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda file: decode(file).samples, files * 3))
    for one, other in zip(alone * 3, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_long_recording_is_held_once(tmp_path: Path) -> None:
    file = encoded.write(tmp_path / "long.m4a", np.zeros(120 * RATE), RATE)
    decode(file, span_s=(0, 1))  # imports
    tracemalloc.start()
    audio = decode(file, span_s=(100, 101))
    _, of_span = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    audio = decode(file)
    _, of_whole = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert of_span < 0.1 * audio.samples.nbytes
    assert of_whole < 1.5 * audio.samples.nbytes  # and whether each sample is finite


def test_flac_of_unknown_length_is_decoded(encode) -> None:
    flac = bytearray(encode("FLAC"))
    flac[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
    flac[22:26] = bytes(4)
    audio = decode(bytes(flac))
    assert audio.codec == "FLAC/FLAC"
    np.testing.assert_array_equal(audio.samples, decode(encode("FLAC")).samples)


def test_an_mp3_that_does_not_tell_its_length_is_read_to_its_end(tmp_path) -> None:
    noise = np.random.default_rng(0).uniform(-0.8, 0.8, 90 * 44_100)
    noise[: 60 * 44_100] *= 0.01  # the first bit rate is low, and the guess too short
    loud = tmp_path / "loud at last.mp3"
    encoded.write(loud, noise, 44_100, options={"write_xing": "0"})
    for read in (loud, loud.read_bytes()):
        audio = decode(read)
        assert audio.duration_s == pytest.approx(90, abs=0.2)
        assert audio.codec == "MP3/MP3"
    assert announced(loud) is None


def test_a_title_that_is_no_utf_8_does_no_harm(tone, tmp_path: Path) -> None:
    file = encoded.write(tmp_path / "a.m4a", tone, RATE, codec="alac", title="cafe9")
    content = file.read_bytes()
    assert content.count(b"cafe9") == 1
    audio = decode(content.replace(b"cafe9", b"caf\xe9 "))
    np.testing.assert_array_equal(audio.samples, decode(file).samples)


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.95])
@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mka", "flac"),
        ("a.mka", "pcm_s16le"),
        ("a.webm", "libopus"),
        ("a.m4a", "alac"),
        ("a.m4a", "aac"),
        ("a.aac", "aac"),
        ("a.ac3", "ac3"),
        ("a.wma", "wmav2"),
        ("a.tta", "tta"),
        ("a.avi", "pcm_s16le"),
    ],
)
def test_of_cut_off_containers_what_decodes_is_used_or_they_are_refused(
    name: str, codec: str, kept: float, convert, tone
) -> None:
    content = convert(name, codec).read_bytes()
    part = content[: int(len(content) * kept)]
    # the table of samples of one comes last, the other has but one frame; some say no length
    if name in ("a.m4a", "a.tta") or (kept < 0.5 and name in ("a.mka", "a.webm")):
        with pytest.raises(AudioError, match=r"cut off|can decode it|holds no audio") as caught:
            decode(part)
        assert "\n" not in str(caught.value)
        return
    audio = decode(part)
    assert str(audio.note).startswith("cut off: ")
    assert audio.duration_s < decode(content).duration_s


def test_a_cut_off_mp4_whose_table_comes_first_is_used(convert, tone, tmp_path: Path) -> None:
    file = tmp_path / "streamed.m4a"
    encoded.write(file, tone, RATE, options={"movflags": "faststart"})
    content = file.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    audio = decode(content[:-9])
    assert str(audio.note).startswith("cut off: 9 bytes of audio")
    assert 0.4 < audio.duration_s < decode(content).duration_s
    with pytest.raises(AudioError, match="too much to go without"):
        decode(content[: len(content) * 2 // 5])


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libopus"), ("a.m4a", "aac")])
def test_what_ends_early_says_so_before_it_is_decoded(name, codec, convert) -> None:
    file = convert(name, codec)
    content = file.read_bytes()
    file.write_bytes(content[:-99])
    reason = "cut off: 99 bytes of audio that its header announces are not there"
    assert announced(file).note.startswith(reason)


def test_damage_within_is_refused(convert) -> None:
    content = bytearray(convert("a.mka", "flac").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2_000] = bytes(2_000)
    with pytest.raises(AudioError, match=r"damaged: it cannot|too much to go without"):
        decode(bytes(content))


def test_other_channels_on_the_way_are_refused(tone, tmp_path: Path) -> None:
    mono = encoded.write(tmp_path / "mono.aac", tone, RATE).read_bytes()
    both = np.stack([tone, tone], axis=1)
    stereo = encoded.write(tmp_path / "stereo.aac", both, RATE).read_bytes()
    with pytest.raises(AudioError, match="number of channels changes"):
        decode(mono + stereo)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    file = encoded.write(tmp_path / "a.mka", np.array([0, value, 0.5]), RATE, codec="pcm_f32le")
    with pytest.raises(AudioError, match="holds 1 samples that are NaN or infinite"):
        decode(file)


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    film = encoded.write_film(tmp_path / "film.mp4")
    for read in (decode, announced):
        with pytest.raises(AudioError, match=r"^holds no audio$"):
            read(film)


def test_a_container_of_no_samples_is_refused(tmp_path: Path) -> None:
    file = encoded.write(tmp_path / "a.wav", np.zeros(0), RATE, codec="pcm_s64le")
    with pytest.raises(AudioError, match=r"^holds no samples$"):
        decode(file)


@pytest.mark.parametrize("content", [b"not audio at all\n" * 9, b"\0" * 5_000, b"\xff" * 5_000])
def test_what_is_no_audio_is_refused(content: bytes) -> None:
    with pytest.raises(AudioError, match=r"^neither .* nor FFmpeg can decode it$"):
        decode(content)


def test_a_size_that_no_file_has_is_refused_without_a_traceback(convert, capfd) -> None:
    file = convert("a.m4a", "alac")
    content = file.read_bytes()
    at = int.from_bytes(content[:4])
    free = struct.pack(">I4sQ", 1, b"free", 2**63 - 99)
    file.write_bytes(content[:at] + free + content[at:])
    for read in (announced, decode):
        with pytest.raises(AudioError, match="can decode it"):
            read(file)
    assert capfd.readouterr().err == ""


def test_a_seek_that_is_not_possible_raises_nothing_within_pyav(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    with (tmp_path / "a").open("rb") as opened:
        for file in (_File(opened), _File(io.BytesIO(b"abc"))):
            assert (file.seek(-5), file.seek(2**80)) == (-1, -1)
            assert (file.seek(1), file.read(9), file.tell()) == (1, b"bc", 3)


PLAYLISTS = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{file}\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile {file}\n",
    "list.wav": "ffconcat version 1.0\nfile {file}\n",
    "list.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
def test_playlists_open_no_other_file(name: str, absolute: bool, convert, monkeypatch) -> None:
    secret = convert("secret.aac", "aac")
    monkeypatch.chdir(secret.parent)
    playlist = secret.with_name(name)
    playlist.write_text(PLAYLISTS[name].format(file=secret if absolute else secret.name))
    for source in (playlist, playlist.read_bytes()):
        with pytest.raises(AudioError, match="nor FFmpeg can decode it"):
            decode(source)
    with pytest.raises(AudioError, match="nor FFmpeg can decode it"):
        announced(playlist)


@pytest.mark.parametrize("kind", ["u8", "s16", "s32", "flt", "dbl"])
@pytest.mark.parametrize("planar", ["", "p"])
def test_samples_are_scaled_as_by_ffmpegs_own_conversion(kind: str, planar: str) -> None:
    dtype, _ = _SAMPLES[kind]
    rng = np.random.default_rng(0)
    coded = rng.normal(0, 0.5, (2, 9_000)).astype(dtype)
    if dtype[0] in "iu":
        info = np.iinfo(dtype)
        coded = rng.integers(info.min, info.max, (2, 9_000), dtype, endpoint=True)
    given = coded if planar else np.ascontiguousarray(coded.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(given, kind + planar, "stereo")
    frame.sample_rate = RATE
    (theirs,) = av.AudioResampler("flt", "stereo", RATE).resample(frame)
    np.testing.assert_array_equal(_float32(frame), theirs.to_ndarray().reshape(-1, 2))
