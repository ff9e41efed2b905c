"""Spectrograms for a person to look at; networks read others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FRAME_S = 0.025
"""Length of a frame: syllables are told apart, and so are tones 40 Hz apart."""

FRAMES = 1000
"""Frames that a spectrogram has about, whatever its length."""

RANGE_DB = 70.0
"""How far under its loudest point it goes."""


@dataclass(frozen=True)
class Spectrogram:
    """What is seen of a recording.

    Attributes
    ----------
    db : ndarray of float32, shape (bins, frames)
        Level under the loudest point, from ``-RANGE_DB`` to 0; low frequencies first.
    hop_s : float
        From one frame to the next.
    fmax_hz : float
        Upper end.
    """

    db: npt.NDArray[np.float32]
    hop_s: float
    fmax_hz: float


def spectrogram(
    samples: npt.NDArray[np.float32], sample_rate: int, *, fmax_hz: float | None = None
) -> Spectrogram:
    """Power of Hann windows of about `FRAME_S`, shape (n,) -> about `FRAMES` frames.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        At least one.
    sample_rate : int
        In Hz.
    fmax_hz : float, optional
        Upper end; half the sample rate if not given, and at most.
    """
    from scipy.signal import spectrogram as power_of  # librosa's takes seconds to import

    n_fft = 1 << max(6, round(np.log2(sample_rate * FRAME_S)))
    hop = min(n_fft, max(1, len(samples) // FRAMES))
    padded = np.pad(samples, n_fft // 2)  # a frame is around its time
    _, _, power = power_of(padded, window="hann", nperseg=n_fft, noverlap=n_fft - hop)
    nyquist_hz = sample_rate / 2
    share = 1.0 if fmax_hz is None else min(1.0, fmax_hz / nyquist_hz)
    power = power[: max(2, round(share * len(power)))]
    db = 10 * np.log10(np.maximum(power, 1e-20) / max(power.max(), 1e-20))
    return Spectrogram(
        np.maximum(db, -RANGE_DB).astype(np.float32), hop / sample_rate, share * nyquist_hz
    )
