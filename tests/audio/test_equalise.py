"""Equalise: what the recorder left goes, what was heard in the band stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.audio.equalise import RATE_HZ, Equaliser
from faunashot.audio.levels import level_db, noise_floor_db
from faunashot.audio.resample import resample
from faunashot.errors import ParameterError

EQUALISE = Equaliser(length_s=1.0)


def chirps(seconds: float, rate_hz: int) -> np.ndarray:
    """Bouts from 500 to 2,500 Hz, four a second, with pauses of digital silence."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    bout = (t * 4) % 1
    heard = np.sin(2 * np.pi * (500 * bout / 4 + 1_000 * bout**2 / 2)) * (bout < 0.6)
    return (0.3 * heard).astype(np.float32)


def spectrum_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples.astype(np.float64))) ** 2
    at_hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    return 10 * np.log10(power[(at_hz >= low_hz) & (at_hz < high_hz)].mean())


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 60_000),
    st.sampled_from([4_000, 8_000, 11_127, 16_000, 48_000]),
    st.sampled_from([0.0, 1e-30, 1e-4, 1.0, 50.0]),
    st.sampled_from(["noise", "click", "offset"]),
)
def test_any_clip_comes_out_with_one_rate_length_and_level(n_samples, rate_hz, peak, kind):
    clip = np.zeros(n_samples, np.float32)
    if kind == "noise":
        clip += np.random.default_rng(n_samples).uniform(-peak, peak, n_samples).astype(np.float32)
    elif kind == "offset":
        clip += np.float32(peak)
    else:
        clip[n_samples // 2 : n_samples // 2 + 1] = peak
    equal, rate = EQUALISE(clip, rate_hz)
    assert (rate, equal.shape, equal.dtype) == (RATE_HZ, (RATE_HZ,), np.float32)
    assert np.abs(equal).max() < 1
    assert level_db(equal) == pytest.approx(EQUALISE.level_db, abs=0.01) or (
        level_db(equal) < EQUALISE.level_db and np.abs(equal).max() > 0.98
    )


@pytest.mark.parametrize("clip", [np.zeros(9_000, np.float32), np.full(9_000, 0.5, np.float32)])
def test_silence_and_offset_become_noise_and_no_rounding_is_blown_up(clip):
    equal, _ = EQUALISE(clip, 8_000)
    low, high = spectrum_db(equal, 200, 3_000), spectrum_db(equal, 4_000, 8_000)
    assert low == pytest.approx(high, abs=1)


def test_the_same_clip_comes_out_the_same_and_another_with_other_noise():
    clip = chirps(1.5, 16_000)
    first, again = EQUALISE(clip, 16_000)[0], EQUALISE(clip.copy(), 16_000)[0]
    np.testing.assert_array_equal(first, again)
    assert np.any(EQUALISE(clip * np.float32(0.5), 16_000)[0] != first)


def test_what_lay_above_the_band_cannot_be_told():
    narrow = chirps(1.0, 16_000)
    hiss = np.random.default_rng(0).standard_normal(16_000)
    hiss = np.fft.irfft(np.fft.rfft(hiss) * (np.fft.rfftfreq(16_000, 1 / 16_000) > 3_600))
    wide = (narrow + 0.05 * hiss).astype(np.float32)
    assert spectrum_db(wide, 4_000, 8_000) > spectrum_db(narrow, 4_000, 8_000) + 20
    above = [spectrum_db(EQUALISE(clip, 16_000)[0], 3_600, 8_000) for clip in (narrow, wide)]
    assert above[0] == pytest.approx(above[1], abs=0.5)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 44_100])
def test_the_sample_rate_cannot_be_told_and_the_sound_stays(rate_hz):
    at_48_khz = chirps(1.0, 48_000)
    before = EQUALISE(at_48_khz, 48_000)[0]
    after = EQUALISE(resample(at_48_khz, 48_000, to_hz=rate_hz), rate_hz)[0]
    noise = 10 ** (-EQUALISE.snr_db / 10)
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(1 / (1 + noise), abs=0.005)


def test_eight_bits_digital_silence_and_hiss_have_one_floor():
    clip = chirps(1.0, 16_000)
    hiss = np.random.default_rng(0).standard_normal(len(clip)) * 1e-3
    recorders = [
        clip,
        (np.round(clip * 2**7) / 2**7).astype(np.float32),
        (clip + hiss).astype(np.float32),
    ]
    assert np.ptp([noise_floor_db(c, 16_000) for c in recorders]) > 50
    assert np.ptp([noise_floor_db(*EQUALISE(c, 16_000)) for c in recorders]) < 0.5


def test_a_louder_recording_comes_out_as_loud():
    clip = chirps(1.0, 16_000)
    loud, faint = (EQUALISE(clip * np.float32(gain), 16_000)[0] for gain in (1, 0.01))
    assert level_db(loud) == pytest.approx(level_db(faint), abs=1e-3)


def test_a_short_clip_is_repeated_to_the_end_without_a_click():
    seconds = 0.3
    tone = np.sin(2 * np.pi * 510 * np.arange(round(seconds * 16_000)) / 16_000)
    equal, _ = EQUALISE((0.5 * tone).astype(np.float32), 16_000)
    levels = [level_db(part) for part in np.array_split(equal, 20)]
    assert np.ptp(levels) < 3.5
    assert spectrum_db(equal, 1_500, 3_000) < spectrum_db(equal, 3_600, 8_000) + 3


def test_of_a_long_clip_the_most_active_part_is_kept():
    clip = np.zeros(5 * 16_000, np.float32)
    clip[48_000:64_000] = chirps(1.0, 16_000)
    kept, alone = EQUALISE(clip, 16_000)[0], EQUALISE(clip[48_000:64_000], 16_000)[0]
    peak = np.abs(np.fft.irfft(np.fft.rfft(kept) * np.conj(np.fft.rfft(alone)))).max()
    assert peak / np.sum(alone.astype(np.float64) ** 2) > 0.98


@pytest.mark.parametrize(
    "settings",
    [
        {"low_hz": 0.0},
        {"low_hz": 4_000.0},
        {"high_hz": 9_000.0},
        {"length_s": 0.0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(ParameterError, match="must"):
        Equaliser(**settings)
