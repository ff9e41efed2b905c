"""Levels: what a recorder leaves is measured, whatever the header says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.audio.levels import SILENCE_DB, bandwidth_hz, level_db, noise_floor_db
from faunashot.audio.resample import resample

RATES = [8_000, 11_127, 16_000, 22_255, 44_100, 48_000]


def noise(seconds: float, rate_hz: int, *, rms: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (rms * rng.standard_normal(round(seconds * rate_hz))).astype(np.float32)


@pytest.mark.parametrize("rms", [0.5, 0.01, 1e-4])
def test_the_level_is_that_of_the_rms(rms):
    assert level_db(noise(1, 16_000, rms=rms)) == pytest.approx(20 * np.log10(rms), abs=0.1)


def test_the_floor_is_that_of_the_pauses():
    clip = noise(2, 16_000, rms=0.001)
    clip[8_000:16_000] += noise(0.5, 16_000, rms=0.3)
    assert noise_floor_db(clip, 16_000) == pytest.approx(-60, abs=1)
    assert level_db(clip) > -20


def test_a_pause_of_digital_silence_has_the_lowest_floor():
    clip = noise(1, 16_000)
    clip[4_000:8_000] = 0
    assert noise_floor_db(clip, 16_000) == SILENCE_DB


@pytest.mark.parametrize("rate_hz", RATES)
def test_noise_of_every_rate_fills_its_band(rate_hz):
    assert bandwidth_hz(noise(1, rate_hz), rate_hz) == pytest.approx(rate_hz / 2, rel=0.01)


@pytest.mark.parametrize("bits", [16, None])
@pytest.mark.parametrize("once_hz", [8_000, 11_025, 22_050, 32_000])
def test_an_upsampled_recording_keeps_the_bandwidth_that_it_had(once_hz, bits):
    clip = resample(noise(1, once_hz), once_hz, to_hz=44_100)
    if bits:
        clip = np.round(clip * 2**15).astype(np.float32) / np.float32(2**15)
    assert bandwidth_hz(clip, 44_100) == pytest.approx(once_hz / 2, abs=450)


def test_an_offset_is_no_floor():
    clip = np.concatenate([noise(1, 16_000), np.zeros(16_000, np.float32)]) + np.float32(0.1)
    assert noise_floor_db(clip, 16_000) == SILENCE_DB


def test_one_click_does_not_widen_the_band():
    clip = resample(noise(1, 8_000), 8_000, to_hz=44_100)
    clip[20_000] = 1
    assert bandwidth_hz(clip, 44_100) < 4_500


def test_neither_level_nor_offset_moves_the_band():
    clip = resample(noise(1, 8_000), 8_000, to_hz=44_100)
    wide = bandwidth_hz(clip, 44_100)
    assert bandwidth_hz(clip * np.float32(0.1), 44_100) == pytest.approx(wide, abs=450)
    assert bandwidth_hz(clip + np.float32(0.3), 44_100) == wide


@settings(deadline=None)
@given(st.integers(0, 3_000), st.sampled_from(RATES), st.sampled_from([0.0, 1e-30, 1e-4, 1.0]))
def test_any_clip_has_finite_measures_in_range(n_samples, rate_hz, peak):
    clip = np.random.default_rng(n_samples).uniform(-peak, peak, n_samples).astype(np.float32)
    assert SILENCE_DB <= noise_floor_db(clip, rate_hz) <= 0
    assert SILENCE_DB <= level_db(clip) <= 0
    assert 0 <= bandwidth_hz(clip, rate_hz) <= rate_hz / 2 + 1e-6


@pytest.mark.parametrize("n_samples", [0, 1, 16_000])
def test_silence_has_the_lowest_levels_and_no_band(n_samples):
    silence = np.zeros(n_samples, np.float32)
    assert level_db(silence) == noise_floor_db(silence, 16_000) == SILENCE_DB
    assert bandwidth_hz(silence, 16_000) == 0
