"""Log-mel spectrograms of 500 frames: what networks that are trained from scratch read."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from faunashot.audio.windows import split_windows

FloatArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]

SAMPLE_RATE, N_FFT, HOP, N_MELS, FRAMES = 16_000, 1024, 512, 128, 500
WINDOW_SAMPLES = N_FFT + (FRAMES - 1) * HOP

FLOOR_DB = -100.0
"""Power below this is taken for this: digital silence has no logarithm."""

EMPTY_DB = -200.0
"""What frames after the end of a recording hold in every band."""

SPREAD_DB = 20.0
"""What spectrograms are divided by where they are not normalised each by itself."""

PCEN_SCALE = 2.0**31
"""As librosa advises for samples in [-1, 1]."""


def spectrograms(samples: FloatArray, *, hop: int) -> FloatArray:
    """Log-mel power of 16 kHz mono audio in dB, a window of 500 frames a row.

    Power spectra of Hann windows, 128 triangular bands of equal area (Slaney), as
    `librosa.feature.melspectrogram` without padding has them.

    Parameters
    ----------
    samples : ndarray, shape (n,)
        In [-1, 1].
    hop : int
        Samples from one window to the next.

    Returns
    -------
    ndarray, shape (N, 500, 128)
        At least `FLOOR_DB`; `EMPTY_DB` in frames that hold no sample of the recording.
    """
    windows = split_windows(samples, WINDOW_SAMPLES, hop=hop)
    result = np.full((len(windows), FRAMES, N_MELS), EMPTY_DB, np.float32)
    for number, window in enumerate(windows):
        left = max(1, len(samples) - number * hop)
        n = min(FRAMES, 1 + max(0, -(-(left - N_FFT) // HOP)))
        result[number, :n] = log_mel(window[: N_FFT + (n - 1) * HOP])
    return result


def log_mel(samples: FloatArray, *, hop: int = HOP) -> FloatArray:
    """Log-mel power of 16 kHz samples in dB, at least `FLOOR_DB`, (n,) -> (frames, 128).

    Parameters
    ----------
    samples : ndarray, shape (n,)
        As many as a frame has, 1024, or more.
    hop : int
        Samples from one frame to the next.
    """
    from scipy.fft import rfft  # keeps float32, and transforms several frames at once

    framed = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::hop]
    spectra = rfft(framed * hann(), axis=1)
    mel = (np.square(spectra.real) + np.square(spectra.imag)) @ filters()
    db = 10 * np.log10(np.maximum(mel, 10 ** (FLOOR_DB / 10)))
    return np.asarray(np.maximum(db, FLOOR_DB), dtype=np.float32)


def is_there(db: FloatArray) -> BoolArray:
    """Which frames hold something of the recording, (..., frames, bands) -> (..., frames)."""
    return db[..., 0] > (EMPTY_DB + FLOOR_DB) / 2


def power(db: FloatArray) -> FloatArray:
    """Mel power of spectrograms in dB; nothing in frames that are not there."""
    return np.where(is_there(db)[..., None], np.power(np.float32(10), db / 10), np.float32(0))


def frame_power(mel: FloatArray) -> npt.NDArray[np.float64]:
    """Power of each frame, as its samples have it, (..., frames, bands) -> (..., frames).

    Bands overlap so that they add up to the spectrum once each is divided by its area.
    """
    return np.asarray(mel @ _areas(), dtype=np.float64)


def normalised(db: FloatArray, *, z_norm: bool = True, pcen: bool = False) -> FloatArray:
    """What a network reads of spectrograms in dB, (N, frames, bands) of the same shape.

    Parameters
    ----------
    z_norm : bool
        To zero mean and unit variance, over the frames of each that are there; else by a
        shift and a scale that are the same for all.
    pcen : bool
        Per-channel energy normalisation in place of the logarithm.

    Returns
    -------
    ndarray
        With zeros in frames after the end.

    References
    ----------
    V. Lostanlen et al. Per-channel energy normalization: Why and how. IEEE Signal Processing
    Letters 26(1), 2019.
    """
    there = is_there(db)
    values = _pcen(power(db)) if pcen else db
    if z_norm:
        count = np.maximum(there.sum(axis=1), 1) * values.shape[2]
        kept = np.where(there[..., None], values, np.float32(0))
        mean = kept.sum(axis=(1, 2), dtype=np.float64) / count
        square = np.square(kept).sum(axis=(1, 2), dtype=np.float64) / count
        spread = np.sqrt(np.maximum(square - mean**2, 1e-6))
        mean, spread = (a.astype(np.float32)[:, None, None] for a in (mean, spread))
    else:
        mean, spread = (0.0, 1.0) if pcen else (FLOOR_DB / 2, SPREAD_DB)
    return np.where(there[..., None], (values - mean) / spread, np.float32(0))


def _pcen(mel: FloatArray) -> FloatArray:
    from librosa import pcen

    return np.asarray(
        pcen(mel * PCEN_SCALE, sr=SAMPLE_RATE, hop_length=HOP, axis=1), dtype=np.float32
    )


@cache
def hann() -> FloatArray:
    """The window of a frame, (1024,)."""
    from scipy.signal import get_window

    return np.asarray(get_window("hann", N_FFT), dtype=np.float32)


@cache
def filters() -> FloatArray:
    """Triangles, (513, 128)."""
    from librosa.filters import mel

    return np.ascontiguousarray(mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS).T)


@cache
def _areas() -> FloatArray:
    """What undoes the areas of the bands and the scale of the transform, (128,)."""
    from librosa.filters import mel

    plain = mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=N_MELS, norm=None)
    height = (plain.max(axis=1) / filters().max(axis=0)).astype(np.float64)
    scale = 2 / (N_FFT * np.square(hann(), dtype=np.float64).sum())
    return np.asarray(height * scale, dtype=np.float32)
