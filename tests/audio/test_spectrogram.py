"""Spectrograms for a person to look at."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.audio.spectrogram import FRAMES, RANGE_DB, spectrogram

RATE = 16_000


@pytest.mark.parametrize("hz", [500, 3000, 7000])
def test_a_whistle_is_where_it_sounds(hz: int) -> None:
    t = np.arange(2 * RATE) / RATE
    samples = np.where(t >= 1, np.sin(2 * np.pi * hz * t), 0).astype(np.float32)
    found = spectrogram(samples, RATE)
    row, column = np.unravel_index(found.db.argmax(), found.db.shape)
    assert row / len(found.db) * found.fmax_hz == pytest.approx(hz, abs=60)
    assert column * found.hop_s > 1
    assert (found.db.max(), found.db.min()) == (0, -RANGE_DB)


@pytest.mark.parametrize("n", [1, 30, 16_000, 160_000, 4_000_000])
def test_it_has_about_as_many_frames_whatever_its_length(n: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, n).astype(np.float32)
    found = spectrogram(samples, RATE)
    assert found.db.shape[1] * found.hop_s == pytest.approx(n / RATE, abs=found.hop_s * 2)
    if n >= FRAMES:
        assert found.db.shape[1] >= FRAMES - 1
    assert np.isfinite(found.db).all()


def test_silence_is_a_picture_too() -> None:
    assert np.isfinite(spectrogram(np.zeros(100, np.float32), RATE).db).all()


def test_it_ends_where_it_is_asked_to_and_never_above_what_is_there() -> None:
    samples = np.ones(1000, np.float32)
    assert spectrogram(samples, RATE, fmax_hz=2000).fmax_hz == 2000
    assert spectrogram(samples, RATE, fmax_hz=20_000).fmax_hz == RATE / 2
