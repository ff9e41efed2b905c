"""Resampling: a tone stays the same tone, one above the new Nyquist frequency goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.audio.resample import resample

RATES = [8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000]
EDGE_S = 0.05


def _sine(frequency_hz: float, rate_hz: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(rate_hz) / rate_hz).astype(np.float32)


@pytest.mark.parametrize("to_hz", [16_000, 32_000, 48_000])
@pytest.mark.parametrize("rate_hz", RATES)
def test_a_sine_keeps_frequency_level_and_phase(rate_hz: int, to_hz: int) -> None:
    resampled = resample(_sine(1_000, rate_hz), rate_hz, to_hz=to_hz)
    inner = slice(round(EDGE_S * to_hz), round((1 - EDGE_S) * to_hz))
    assert resampled.dtype == np.float32
    np.testing.assert_allclose(resampled[inner], _sine(1_000, to_hz)[inner], rtol=0, atol=1e-3)


def test_what_would_alias_is_removed() -> None:
    resampled = resample(_sine(15_000, 48_000), 48_000, to_hz=16_000)
    inner = slice(round(EDGE_S * 16_000), round((1 - EDGE_S) * 16_000))
    assert np.abs(resampled[inner]).max() < 1e-3


@settings(deadline=None)
@given(st.integers(1, 20_000), st.sampled_from(RATES), st.sampled_from(RATES))
def test_the_length_is_in_proportion(n_samples: int, rate_hz: int, to_hz: int) -> None:
    resampled = resample(np.zeros(n_samples, np.float32), rate_hz, to_hz=to_hz)
    assert abs(len(resampled) - round(n_samples * to_hz / rate_hz)) <= 1


def test_the_same_rate_returns_the_same_array() -> None:
    samples = _sine(440, 16_000)
    assert resample(samples, 16_000, to_hz=16_000) is samples
