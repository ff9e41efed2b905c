from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

RATE = 8000


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Ten seconds of quiet noise, with a whistle of 1 kHz from second 4 to 6."""
    t = np.arange(10 * RATE) / RATE
    samples = np.random.default_rng(0).normal(0, 0.001, len(t))
    samples[4 * RATE : 6 * RATE] += 0.02 * np.sin(2 * np.pi * 1000 * t[4 * RATE : 6 * RATE])
    file = tmp_path / "night.wav"
    sf.write(file, samples, RATE)
    return file
