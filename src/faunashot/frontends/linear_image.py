"""Spectrograms of evenly spaced frequencies as grey images."""

from __future__ import annotations

import numpy as np

from faunashot.audio.melspec import FLOOR_DB
from faunashot.frontends._grey_image import HOP, WINDOW_SAMPLES, GreyImage
from faunashot.frontends.base import FloatArray

N_FFT = 512


class LinearImage(GreyImage):
    """Images of 311 frames of 257 frequencies from 0 to 8 kHz: high ones have as much room as low.

    References
    ----------
    K. Palanisamy, D. Singhania, A. Yao. Rethinking CNN models for audio classification.
    arXiv:2007.11154, 2020.
    """

    name = "linear_image"
    n_fft = N_FFT
    shape = (1 + (WINDOW_SAMPLES - N_FFT) // HOP, 1 + N_FFT // 2)
    packages = ()

    @staticmethod
    def spectrogram(window: FloatArray) -> FloatArray:
        """Power of Hann windows of 512 samples in dB, (80000,) -> (311, 257)."""
        from scipy.fft import rfft
        from scipy.signal import get_window

        framed = np.lib.stride_tricks.sliding_window_view(window, N_FFT)[::HOP]
        spectra = rfft(framed * get_window("hann", N_FFT).astype(np.float32), axis=1)
        power = np.square(spectra.real) + np.square(spectra.imag)
        db = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))
        return np.asarray(np.maximum(db, FLOOR_DB), dtype=np.float32)
