"""The log-mel statistics are those of librosa's spectrogram."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from faunashot.frontends.logmel_stats import HOP, N_FFT, N_MELS, LogMelStats


@pytest.fixture
def window() -> np.ndarray:
    """A chirp in noise that fades, one second at 32 kHz."""
    time_s = np.arange(LogMelStats.window_samples) / LogMelStats.sample_rate
    noise = np.random.default_rng(3).normal(0, 0.05, len(time_s))
    chirp = 0.5 * np.sin(2 * np.pi * (500 + 4_000 * time_s) * time_s)
    return ((noise + chirp) * (1 - 0.9 * time_s)).astype(np.float32)


def test_statistics_are_of_librosas_spectrogram(window: np.ndarray) -> None:
    power = librosa.feature.melspectrogram(
        y=window,
        sr=LogMelStats.sample_rate,
        n_fft=N_FFT,
        hop_length=HOP,
        center=False,
        n_mels=N_MELS,
        fmin=50.0,
    )
    log_mel = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None)
    flux = np.abs(np.diff(log_mel)).mean(axis=1)
    expected = [log_mel.mean(axis=1), log_mel.std(axis=1), log_mel.max(axis=1), flux]
    # In dB: both take float32 spectra, a relative 1e-4 of power is 4e-4 dB.
    np.testing.assert_allclose(
        LogMelStats(hop_s=1.0)(window)[0], np.concatenate(expected), rtol=0, atol=1e-3
    )


def test_ten_times_the_amplitude_is_20_db_more(window: np.ndarray) -> None:
    quiet, loud = LogMelStats(hop_s=1.0)(np.concatenate([window / 10, window])).reshape(
        2, 4, N_MELS
    )
    np.testing.assert_allclose(loud[[0, 2]] - quiet[[0, 2]], 20, rtol=0, atol=1e-3)
    np.testing.assert_allclose(loud[[1, 3]], quiet[[1, 3]], rtol=0, atol=1e-3)


def test_silence_is_the_floor_of_minus_100_db() -> None:
    silence = np.zeros(LogMelStats.window_samples, np.float32)
    mean, spread, peak, flux = LogMelStats(hop_s=1.0)(silence).reshape(4, N_MELS)
    assert (mean == -100).all()
    assert (peak == -100).all()
    assert not spread.any()
    assert not flux.any()
