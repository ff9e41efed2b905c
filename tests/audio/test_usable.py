"""What cannot be heard is refused with a reason, whoever reads it and however long it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.audio.decode import Audio, decode
from faunashot.audio.reading import Reading
from faunashot.audio.usable import unusable
from faunashot.errors import AudioError

RATE = 16_000


def noise(n: int = RATE, *, rms: float = 0.1) -> np.ndarray:
    return np.random.default_rng(1).normal(0, rms, n).astype(np.float32)


def wrapped(samples: np.ndarray) -> np.ndarray:
    """As 16 bits hold what is too loud for them where nothing clips it."""
    return (np.round(samples * 2**15).astype(np.int64).astype(np.int16) / 2**15).astype(np.float32)


def why(samples: np.ndarray, **options) -> str | None:
    samples = samples if samples.ndim == 2 else samples[:, None]
    return unusable(Audio(samples.astype(np.float32), RATE, "WAV/PCM_16"), **options)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (noise(1), "too short: 1 samples at 16000 Hz, under 10 ms"),
        (noise(16), "too short: 16 samples at 16000 Hz, under 10 ms"),
        (np.zeros(RATE), "digital silence: every sample is 0"),
        (np.full((RATE, 2), 0.25), "digital silence: every sample is 0.25"),
        (wrapped(noise(rms=20)), "overflow: it was too loud for its format, and its samples"),
        (wrapped(20 * np.sin(np.arange(RATE) / 20)), "overflow: it was too loud for its format"),
        (np.stack([noise(), -noise()], axis=1), "its channels cancel each other out: their mean"),
    ],
)
def test_what_cannot_be_heard_has_a_reason(samples, reason) -> None:
    assert str(why(samples)).startswith(reason)


@pytest.mark.parametrize(
    "samples",
    [
        noise(160),
        noise(rms=2**-15),
        np.clip(noise(rms=1), -1, 1),  # clipped, which is no overflow
        8 * noise(rms=1),  # of float, whose scale has no end
        np.stack([noise(), -0.5 * noise()], axis=1),
        np.stack([noise(), 0 * noise()], axis=1),
        np.stack([noise(), np.random.default_rng(2).normal(0, 0.1, RATE)], axis=1),
    ],
)
def test_what_can_be_heard_has_none(samples) -> None:
    assert why(samples) is None


def test_a_little_of_the_sound_left_by_channels_that_cancel_is_none() -> None:
    rest = 0.005 * np.random.default_rng(2).normal(0, 1, RATE)
    assert "32 dB under them" in str(why(np.stack([noise(), rest - noise()], axis=1)))


def test_an_offset_does_not_hide_that_channels_cancel() -> None:
    assert why(np.stack([noise(), -noise()], axis=1) + 0.1) is not None


def test_one_of_channels_that_cancel_is_heard() -> None:
    both = np.stack([noise(), -noise()], axis=1)
    for channel in ("left", "right", "loudest"):
        assert why(both, channel=channel) is None
    assert "digital silence in channel right" in str(
        why(np.stack([noise(), 0 * noise()], axis=1), channel="right")
    )


@pytest.mark.parametrize(("channel", "gain"), [("mix", 1.5), ("left", 1), ("right", 2)])
def test_a_channel_is_chosen(channel, gain) -> None:
    audio = Audio(np.stack([noise(), 2 * noise()], axis=1), RATE, "")
    np.testing.assert_allclose(audio.mono(channel), gain * noise(), rtol=1e-6)
    one = Audio(noise()[:, None], RATE, "")
    np.testing.assert_array_equal(one.mono(channel), noise())


def test_the_loudest_channel_is_one_in_every_part_of_a_recording(tmp_path: Path) -> None:
    """That of the first minute, also where another is louder later."""
    first, second = noise(70 * RATE), 2 * noise(70 * RATE)
    second[60 * RATE :] *= 0.01
    sf.write(tmp_path / "a.wav", np.stack([first, second], axis=1), RATE)
    whole = Reading("loudest").read(tmp_path / "a.wav").samples
    assert whole[:RATE].std() == pytest.approx(0.2, rel=0.1)
    for first_s, last_s in ((0, 5), (62, 66)):
        part = Reading("loudest").read(tmp_path / "a.wav", span_s=(first_s, last_s)).samples
        np.testing.assert_array_equal(part, whole[first_s * RATE : last_s * RATE])


def test_a_slowed_recording_is_the_same_samples_at_a_lower_rate(tmp_path: Path) -> None:
    sf.write(tmp_path / "bat.wav", noise(3 * 384_000), 384_000)
    whole, slowed = decode(tmp_path / "bat.wav"), Reading(time_expansion=10)
    found, audio = slowed.announced(tmp_path / "bat.wav"), slowed.read(tmp_path / "bat.wav")
    assert (found.duration_s, found.sample_rate, audio.sample_rate) == (30, 38_400, 38_400)
    np.testing.assert_array_equal(audio.samples, whole.samples)
    part = slowed.read(tmp_path / "bat.wav", span_s=(7, 25))
    np.testing.assert_array_equal(part.samples, whole.samples[7 * 38_400 : 25 * 38_400])


def test_a_rate_that_cannot_be_slowed_is_refused(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", noise(), 22_050)
    reading = Reading(time_expansion=8)
    for read in (reading.read, reading.announced):
        with pytest.raises(AudioError, match="22050 Hz is no multiple of the time expansion of 8"):
            read(tmp_path / "a.wav")


def test_only_what_is_unusual_is_a_fact() -> None:
    assert Reading().facts() == {}
    assert Reading("left", 10).facts() == {"channel": "left", "time_expansion": 10}
