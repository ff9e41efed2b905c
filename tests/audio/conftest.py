"""Recordings of a tone, encoded as a test asks for."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

RATE = 48_000
Encode = Callable[..., bytes]


@pytest.fixture(scope="session")
def tone() -> npt.NDArray[np.float32]:
    """Half a second of 440 Hz at half of full scale, 48 kHz."""
    time_s = np.arange(RATE // 2) / RATE
    return np.asarray(0.5 * np.sin(2 * np.pi * 440 * time_s), dtype=np.float32)


@pytest.fixture(scope="session")
def encode(tone: npt.NDArray[np.float32]) -> Encode:
    """Bytes of the tone, or of other samples, in a container and subtype of libsndfile."""

    def encoded(
        container: str = "WAV",
        subtype: str = "PCM_16",
        *,
        samples: npt.NDArray[np.floating] = tone,
        rate_hz: int = RATE,
    ) -> bytes:
        file = io.BytesIO()
        sf.write(file, samples, rate_hz, format=container, subtype=subtype)
        return file.getvalue()

    return encoded
