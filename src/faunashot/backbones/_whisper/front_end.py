"""Log-mel spectrograms as Whisper reads them, and which frames are of the recording."""

from __future__ import annotations

from functools import cache

import numpy as np

from faunashot.audio.windows import split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

SAMPLE_RATE, N_FFT, HOP = 16_000, 400, 160
WINDOW_S = 30.0
FRAMES, BANDS = 3000, 80
FLOOR = 1e-10
DECADES = 8.0
"""From the loudest band of a window down to the quietest that is told from silence."""


class WhisperLogMel(FrontEnd):
    """Log-mel power, 80 bands every 10 ms, windows of 30 s; the last column marks the recording.

    A recording that is shorter is padded with zeros, as Whisper does. The column that follows the
    bands is 1 in frames that begin before the end of the recording and 0 after it, so that the
    embedding can be taken of the recording alone.

    References
    ----------
    A. Radford et al. Robust speech recognition via large-scale weak supervision. ICML 2023.
    """

    name = "whisper_logmel"
    sample_rate = SAMPLE_RATE
    window_s = WINDOW_S
    window_samples = FRAMES * HOP
    shape = (FRAMES, BANDS + 1)
    marked = True
    citation = "A. Radford et al. Robust speech recognition via large-scale weak supervision, 2023."

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Spectrograms of 16 kHz samples, (n,) -> (N, 3000, 81)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        result = np.zeros((len(windows), *self.shape), np.float32)
        for number, window in enumerate(windows):
            n_samples = max(1, min(len(window), len(samples) - number * self.hop_samples))
            result[number, :, :BANDS] = log_mel(window, n_samples=n_samples)
            result[number, : -(-n_samples // HOP), BANDS] = 1
        return result

    def _settings(self) -> tuple[object, ...]:
        return N_FFT, HOP, FRAMES, BANDS, FLOOR, DECADES


def log_mel(window: FloatArray, *, n_samples: int) -> FloatArray:
    """The spectrogram of a window, of which all but the first `n_samples` are zero.

    Parameters
    ----------
    window : ndarray, shape (480000,)

    Returns
    -------
    ndarray, shape (3000, 80)
        Decades of mel power, at most 8 below the loudest, shifted and scaled as published.
    """
    from scipy.fft import rfft  # keeps float32, and transforms several frames at once

    reach = N_FFT // 2  # of a frame to either side
    frames = min(FRAMES, -(-(n_samples + reach) // HOP))  # that hold any of the samples
    padded = np.pad(window, reach, mode="reflect")
    framed = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[: frames * HOP : HOP]
    spectra = rfft(framed * _hann(), axis=1)
    mel = (np.square(spectra.real) + np.square(spectra.imag)) @ _filters()
    decades = np.full((FRAMES, BANDS), np.log10(FLOOR), np.float32)
    decades[:frames] = np.log10(np.maximum(mel, FLOOR))
    return np.asarray((np.maximum(decades, decades.max() - DECADES) + 4) / 4, dtype=np.float32)


@cache
def _hann() -> FloatArray:
    from scipy.signal import get_window

    return np.asarray(get_window("hann", N_FFT), dtype=np.float32)


@cache
def _filters() -> FloatArray:
    """Triangles of equal area on Slaney's mel scale, (201, 80)."""
    from librosa.filters import mel

    return np.ascontiguousarray(mel(sr=SAMPLE_RATE, n_fft=N_FFT, n_mels=BANDS).T)
