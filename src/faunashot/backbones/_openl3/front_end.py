"""Spectrograms as OpenL3 reads them: decibels below the loudest point of a second."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np

from faunashot.audio.windows import split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

SAMPLE_RATE = 48_000
HOP = 242
FLOOR = 1e-10
RANGE_DB = 80.0


class OpenL3Spectrogram(FrontEnd):
    """Magnitudes every 5 ms of windows of 1 s, in dB below the largest of the window.

    Ten times the logarithm of the magnitude, not of the power, as published: 80 "dB" here are
    160 dB. Silence is 0 everywhere.

    Attributes
    ----------
    n_fft : int
        Samples of a frame.
    mel : bool
        Whether the bins of the transform are put together into mel bands.

    References
    ----------
    A. L. Cramer, H.-H. Wu, J. Salamon, J. P. Bello. Look, listen and learn more: design choices
    for deep audio embeddings. ICASSP 2019.
    """

    n_fft: ClassVar[int]
    mel: ClassVar[bool]
    sample_rate = SAMPLE_RATE
    window_s = 1.0
    window_samples = SAMPLE_RATE
    licence = "MIT"
    citation = (
        "A. L. Cramer, H.-H. Wu, J. Salamon, J. P. Bello. Look, listen and learn more: design "
        "choices for deep audio embeddings. ICASSP 2019."
    )

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Spectrograms of 48 kHz samples, (n,) -> (N, frames, bands)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        result = np.empty((len(windows), *self.shape), np.float32)
        for row, window in zip(result, windows, strict=True):
            row[:] = self.decibels(window)
        return result

    def decibels(self, window: FloatArray) -> FloatArray:
        """The spectrogram of a window, (48000,) -> (frames, bands), in -80..0."""
        from scipy.fft import rfft  # keeps float32, and transforms several frames at once

        frames, bands = self.shape
        padded = np.zeros((frames - 1) * HOP + self.n_fft, np.float32)  # for frames past the end
        padded[: len(window)] = window[: len(padded)]
        framed = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[::HOP]
        values = np.abs(rfft(framed * _hann(self.n_fft), axis=1))
        if self.mel:
            values = values @ _filters(self.n_fft, bands)
        db = 10 * np.log10(np.maximum(values, np.float32(FLOOR)))
        return np.asarray(np.maximum(db - db.max(), -RANGE_DB), dtype=np.float32)

    def _settings(self) -> tuple[object, ...]:
        return self.n_fft, HOP, self.mel, self.shape, FLOOR, RANGE_DB


class OpenL3Linear(OpenL3Spectrogram):
    """257 bins of 94 Hz."""

    name = "openl3_linear_db"
    n_fft = 512
    mel = False
    shape = (197, 257)


class OpenL3Mel128(OpenL3Spectrogram):
    """128 mel bands up to 24 kHz."""

    name = "openl3_mel128_db"
    n_fft = 2048
    mel = True
    shape = (199, 128)


class OpenL3Mel256(OpenL3Spectrogram):
    """256 mel bands up to 24 kHz."""

    name = "openl3_mel256_db"
    n_fft = 2048
    mel = True
    shape = (199, 256)


@cache
def _hann(n_fft: int) -> FloatArray:
    from scipy.signal import get_window

    return np.asarray(get_window("hann", n_fft), dtype=np.float32)


@cache
def _filters(n_fft: int, bands: int) -> FloatArray:
    """Triangles of equal area, (n_fft / 2 + 1, bands)."""
    from librosa.filters import mel

    return np.ascontiguousarray(mel(sr=SAMPLE_RATE, n_fft=n_fft, n_mels=bands).T)
