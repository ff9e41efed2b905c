"""Decoding: every format gives back what was written, bad input one line that says why."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.audio.decode import Audio, decode
from faunashot.errors import AudioError

STEP_8, STEP_16, STEP_24 = 2.0**-7, 2.0**-15, 2.0**-23
LOSSLESS = [
    ("WAV", "PCM_U8", STEP_8),
    ("WAV", "PCM_16", STEP_16),
    ("WAV", "PCM_24", STEP_24),
    ("WAV", "PCM_32", STEP_24),
    ("WAV", "FLOAT", 0),
    ("WAV", "DOUBLE", 0),
    ("WAVEX", "PCM_24", STEP_24),
    ("RF64", "PCM_16", STEP_16),
    ("W64", "PCM_16", STEP_16),
    ("CAF", "ALAC_16", STEP_16),
    ("FLAC", "PCM_S8", STEP_8),
    ("FLAC", "PCM_16", STEP_16),
    ("FLAC", "PCM_24", STEP_24),
    ("AU", "PCM_16", STEP_16),
    ("AU", "FLOAT", 0),
    ("AIFF", "PCM_S8", STEP_8),
    ("AIFF", "PCM_24", STEP_24),
    ("AIFF", "FLOAT", 0),
]
LOSSY = [
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("WAV", "ULAW"),
    ("WAV", "ALAW"),
    ("WAV", "IMA_ADPCM"),
    ("WAV", "MS_ADPCM"),
    ("WAV", "GSM610"),  # and the next two cannot seek
    ("WAV", "G721_32"),
    ("WAV", "NMS_ADPCM_32"),
]


@pytest.mark.parametrize(("container", "subtype", "step"), LOSSLESS)
def test_lossless_formats_give_back_the_samples(container, subtype, step, tone, encode) -> None:
    audio = decode(encode(container, subtype))
    assert audio.codec == f"{container}/{subtype}"
    assert (audio.samples.dtype, audio.samples.shape) == (np.float32, (len(tone), 1))
    np.testing.assert_allclose(audio.samples[:, 0], tone, rtol=0, atol=step)


def test_whole_numbers_become_those_that_libsndfile_makes_of_them(encode) -> None:
    numbers = np.array([[-(2**15), 2**15 - 1], [-1, 1], [0, 12_345]] * 50, np.int16)
    for container in ("WAV", "FLAC", "AIFF"):
        content = encode(container, samples=numbers)
        as_floats, _ = sf.read(io.BytesIO(content), dtype="float32")
        found = decode(content).samples
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, as_floats)


@pytest.mark.parametrize(("container", "subtype"), LOSSY)
def test_lossy_formats_keep_the_tone(container, subtype, encode) -> None:
    audio = decode(encode(container, subtype))
    middle = audio.mono()[4_800:14_400]  # 0.2 s: a frequency resolution of 5 Hz
    spectrum = np.abs(np.fft.rfft(middle))
    assert audio.codec == f"{container}/{subtype}"
    assert 0.5 <= audio.duration_s < 0.525  # block codecs fill their last block
    assert 5 * spectrum.argmax() == 440
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")]
)
def test_a_file_and_its_bytes_give_the_same(container, subtype, encode, tmp_path: Path) -> None:
    content = encode(container, subtype)
    file = tmp_path / "Señor Ñandú, 鳥の声 (1).WAV"
    file.write_bytes(content)
    by_path, by_bytes = decode(file), decode(content)
    np.testing.assert_array_equal(by_path.samples, by_bytes.samples)
    assert (by_path.sample_rate, by_path.codec) == (by_bytes.sample_rate, by_bytes.codec)


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 192_000])
def test_sample_rates_are_kept(container: str, rate_hz: int, tone, encode) -> None:
    audio = decode(encode(container, rate_hz=rate_hz))
    assert audio.sample_rate == rate_hz
    assert audio.duration_s == len(tone) / rate_hz


def test_eight_channels_stay_apart(tone, encode) -> None:
    channels = np.stack([tone * k / 8 for k in range(8)], axis=1)
    audio = decode(encode("WAV", "FLOAT", samples=channels))
    np.testing.assert_array_equal(audio.samples, channels)


def test_mono_is_the_mean_taken_in_float64() -> None:
    loud_and_quiet = np.array([[1e8, 1.5, -1e8]], dtype=np.float32)
    assert np.mean(loud_and_quiet, axis=1) != 0.5  # what float32 makes of it
    assert Audio(loud_and_quiet, 48_000, "WAV/FLOAT").mono().tolist() == [0.5]


@pytest.mark.parametrize(
    ("container", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")]
)
def test_one_sample_is_enough(container, subtype, encode) -> None:
    audio = decode(encode(container, subtype, samples=np.array([0.5])))
    assert audio.mono().shape == (1,)


def test_mpeg_in_a_wav_is_decoded(encode) -> None:
    mp3 = encode("MP3", "MPEG_LAYER_III")
    audio = decode(_wav_of(mp3))
    assert audio.codec == "WAV/MPEG_LAYER_III"
    np.testing.assert_array_equal(audio.samples, decode(mp3).samples)


def _wav_of(mp3: bytes) -> bytes:
    layer_3 = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 48_000, 16_000, 1, 0, 12, 1, 2, 384, 1, 1393)
    chunks = b"WAVE" + _chunk(b"fmt ", layer_3) + _chunk(b"fact", struct.pack("<I", 24_000))
    return _chunk(b"RIFF", chunks + _chunk(b"data", mp3))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


BAD: dict[str, tuple[Callable, str]] = {
    "empty": (lambda encode: b"", "empty file"),
    "text": (lambda encode: b"not audio at all\n" * 9, "format not recognised"),
    "header only": (lambda encode: encode()[:30], "no 'data' chunk marker"),
    "cut-off WAV": (
        lambda encode: encode()[:9_044],
        "cut off: 39000 bytes of audio that",
    ),
    "cut-off AIFF": (lambda encode: encode("AIFF")[:9_054], "cut off: 39000 bytes of audio that"),
    "cut-off Ogg": (lambda encode: encode("OGG", "VORBIS")[:3_000], "nor FFmpeg can decode it"),
    "cut-off FLAC": (lambda encode: encode("FLAC")[:5_000], "cut off: its end cannot be decoded"),
    "no samples": (lambda encode: encode(samples=np.zeros(0)), "holds no samples"),
    "NaN": (
        lambda encode: encode(subtype="FLOAT", samples=np.array([0, np.nan, 0.5])),
        "holds 1 samples that are NaN or infinite",
    ),
    "infinite": (
        lambda encode: encode(subtype="FLOAT", samples=np.array([[0, np.inf], [-np.inf, 0]])),
        "holds 2 samples that are NaN or infinite",
    ),
    "beyond float32": (
        lambda encode: encode(subtype="DOUBLE", samples=np.array([0, 1e300])),
        "holds 1 samples that are NaN or infinite",
    ),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("as_file", [True, False], ids=["file", "bytes"])
def test_bad_input_is_refused_in_one_line(kind, as_file, encode, tmp_path: Path) -> None:
    make, reason = BAD[kind]
    source = make(encode)
    if as_file:
        (tmp_path / "bad.wav").write_bytes(source)
        source = tmp_path / "bad.wav"
    with pytest.raises(AudioError) as caught:
        decode(source)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "one.wav").symlink_to(tmp_path / "other.wav")
    (tmp_path / "other.wav").symlink_to(tmp_path / "one.wav")
    for name, reason in [("one.wav", "no such file"), ("no.wav", "no such file"), ("", "not a")]:
        with pytest.raises(AudioError, match=reason):
            decode(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(encode, tmp_path: Path) -> None:
    file = tmp_path / "locked.wav"
    file.write_bytes(encode())
    file.chmod(0)
    with pytest.raises(AudioError, match="unreadable: Permission denied"):
        decode(file)


def test_what_libmpg123_prints_of_a_damaged_file_is_hidden(encode, capfd) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000)
    damaged = bytearray(encode("MP3", "MPEG_LAYER_III", samples=noise))
    damaged[2000:2400] = bytes(range(100)) * 4
    decode(bytes(damaged))
    decode(_wav_of(bytes(damaged)))
    assert capfd.readouterr().err == ""
