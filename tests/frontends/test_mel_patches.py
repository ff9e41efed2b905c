"""The patches are those that the original implementation of YAMNet reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faunashot.audio.windows import split_windows
from faunashot.frontends.mel_patches import BANDS, FRAMES, OFFSET, WINDOW_SAMPLES, MelPatches

HOP_FRAMES = 48
TOLERANCE = 1e-3
"""Of log-mel values between -7 and about 5; float32 noise of the original is 6e-5."""


def alone(windows: np.ndarray) -> np.ndarray:
    """Patches of windows each by itself, (N, 15600) -> (N, 96, 64)."""
    return np.concatenate([MelPatches(hop_s=0.48)(window) for window in windows])


@pytest.mark.shared
@pytest.mark.parametrize("row", [0, 1])
def test_patches_are_the_originals(row: int, shared: Path) -> None:
    waveform = np.load(shared / "parity" / "inputs.npz")["wav_16000"][row]
    expected = np.load(shared / "parity" / "yamnet.npz")[f"clip{row}_log_mel"]
    patches = alone(split_windows(waveform, WINDOW_SAMPLES, hop=7_680))
    assert len(patches) == (len(expected) - FRAMES) // HOP_FRAMES + 1
    for at, patch in enumerate(patches):
        frames = expected[HOP_FRAMES * at : HOP_FRAMES * at + FRAMES]
        np.testing.assert_allclose(patch, frames, rtol=0, atol=TOLERANCE)


def test_silence_is_the_floor() -> None:
    silence = np.zeros((1, WINDOW_SAMPLES), np.float32)
    np.testing.assert_allclose(alone(silence), np.log(OFFSET), rtol=1e-6)


def test_a_tone_rises_in_its_band_alone() -> None:
    time_s = np.arange(WINDOW_SAMPLES) / MelPatches.sample_rate
    tones = np.sin(2 * np.pi * np.outer([500.0, 2_000.0], time_s)).astype(np.float32)
    loudest = alone(tones).argmax(axis=2)
    mel = np.linspace(*1127 * np.log1p(np.array([125.0, 7_500.0]) / 700), BANDS + 2)[1:-1]
    centre_hz = 700 * np.expm1(mel / 1127)
    for band, tone_hz in zip(loudest, [500.0, 2_000.0], strict=True):
        assert len(set(band)) == 1
        assert band[0] == np.abs(centre_hz - tone_hz).argmin()


def test_the_hop_is_no_part_of_the_front_ends_hash() -> None:
    assert MelPatches(hop_s=0.96).settings_hash == MelPatches(hop_s=0.48).settings_hash
