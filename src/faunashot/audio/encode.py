"""Samples in memory as the file that they would be."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf

from faunashot.errors import AudioError


def as_wav(samples: npt.NDArray[Any], sample_rate: int | None) -> bytes:
    """Content of a WAV file of float32 samples.

    Parameters
    ----------
    samples : ndarray, shape (frames,) or (frames, channels)
        Floating-point, with a full scale of 1, or signed integers.
    sample_rate : int
        In Hz.

    Raises
    ------
    AudioError
        They are no samples, or there is no rate.
    """
    if sample_rate is None or sample_rate < 1:
        raise AudioError("samples come with their rate: give sample_rate, in Hz")
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        raise AudioError(
            f"samples of shape {samples.shape} and type {samples.dtype}: give (frames,) or "
            "(frames, channels), floating-point or signed integers"
        )
    scale = -float(np.iinfo(samples.dtype).min) if samples.dtype.kind == "i" else 1.0
    file = io.BytesIO()
    sf.write(file, (samples / scale).astype(np.float32), sample_rate, "FLOAT", format="WAV")
    return file.getvalue()
