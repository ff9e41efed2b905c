"""Log-mel spectrograms as PANNs read them."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np

from faunashot.audio.windows import split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

FLOOR = 1e-10
WINDOW_S = 5.0
BANDS = 64


class PannsLogMel(FrontEnd):
    """Log-mel power in dB, 64 bands every 10 ms, windows of 5 s.

    References
    ----------
    Q. Kong et al. PANNs: Large-scale pretrained audio neural networks for audio pattern
    recognition. IEEE/ACM TASLP 28, 2020.
    """

    name = "panns_logmel"
    sample_rate: ClassVar[int] = 32_000
    n_fft: ClassVar[int] = 1024
    hop: ClassVar[int] = 320
    fmax_hz: ClassVar[float] = 14_000.0
    fmin_hz: ClassVar[float] = 50.0
    window_s = WINDOW_S
    window_samples = 160_000
    shape: ClassVar[tuple[int, ...]] = (501, BANDS)
    citation = "Q. Kong et al. PANNs. IEEE/ACM TASLP 28, 2020."

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Spectrograms of mono samples, (n,) -> (N, 501, 64)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        return np.stack([self.log_mel(window) for window in windows])

    def spectrograms(self, inputs: FloatArray) -> FloatArray:
        """The spectrograms in what it gave, (N, 501, 64)."""
        return inputs

    def log_mel(self, window: FloatArray) -> FloatArray:
        """The spectrogram of a window, (n,) -> (1 + n / hop, 64)."""
        from scipy.fft import rfft

        padded = np.pad(window, self.n_fft // 2, mode="reflect")
        framed = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft)[:: self.hop]
        spectra = rfft(framed * hann(self.n_fft), axis=1)
        power = np.square(spectra.real) + np.square(spectra.imag)
        mel = power @ filters(self.sample_rate, self.n_fft, self.fmin_hz, self.fmax_hz)
        return np.asarray(10 * np.log10(np.maximum(mel, FLOOR)), dtype=np.float32)

    def _settings(self) -> tuple[object, ...]:
        return self.sample_rate, self.n_fft, self.hop, self.fmin_hz, self.fmax_hz, BANDS, FLOOR


class PannsLogMel16k(PannsLogMel):
    """As `PannsLogMel`, of audio at 16 kHz."""

    name = "panns_logmel_16k"
    sample_rate = 16_000
    n_fft = 512
    hop = 160
    fmax_hz = 8_000.0
    window_samples = 80_000


class PannsWaveLogMel(PannsLogMel):
    """Each window as it is, and its log-mel spectrogram after it, in one row."""

    name = "panns_wave_logmel"
    shape = (160_000 + 501 * BANDS,)

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Rows of mono samples, (n,) -> (N, 192064)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        return np.stack([np.append(window, self.log_mel(window)) for window in windows])

    def spectrograms(self, inputs: FloatArray) -> FloatArray:
        """The spectrograms in what it gave, (N, 501, 64)."""
        return inputs[:, self.window_samples :].reshape(-1, *PannsLogMel.shape)


@cache
def hann(n_fft: int) -> FloatArray:
    """The window of a frame, (n_fft,)."""
    from scipy.signal import get_window

    return np.asarray(get_window("hann", n_fft), dtype=np.float32)


@cache
def filters(rate: int, n_fft: int, fmin_hz: float, fmax_hz: float) -> FloatArray:
    """Triangles of equal area, (n_fft / 2 + 1, 64)."""
    from librosa.filters import mel

    triangles = mel(sr=rate, n_fft=n_fft, n_mels=BANDS, fmin=fmin_hz, fmax=fmax_hz)
    return np.ascontiguousarray(triangles.T)
