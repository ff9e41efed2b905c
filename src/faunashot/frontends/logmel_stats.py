"""Statistics of a log-mel spectrogram: the baseline that shows what pretraining buys."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from faunashot import options
from faunashot.audio.windows import split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

N_FFT, HOP, N_MELS = 1024, 512, 64


class LogMelStats(FrontEnd):
    """Mean, spread, peak and flux of each of 64 log-mel bands of a second."""

    class Options(options.Options):
        """Step between windows in seconds."""

        hop_s: Annotated[float, Field(ge=0.001, le=1.0)] = 0.5

    name = "logmel_stats"
    sample_rate = 32_000
    window_s = 1.0
    window_samples = 32_000
    shape = (4 * N_MELS,)
    citation = (
        "S. B. Davis, P. Mermelstein. Comparison of parametric representations for monosyllabic "
        "word recognition in continuously spoken sentences. IEEE TASSP 28(4), 1980 (mel scale)."
    )

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Statistics of 32 kHz samples, (n,) -> (N, 256)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        frames = np.lib.stride_tricks.sliding_window_view(windows, N_FFT, axis=1)[:, ::HOP]
        hann = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
        power = np.abs(np.fft.rfft(frames * hann, axis=2)) ** 2
        log_mel = 10 * np.log10(np.maximum(power @ _mel_filters().T, 1e-10))
        flux = np.abs(np.diff(log_mel, axis=1)).mean(axis=1)
        parts = [log_mel.mean(axis=1), log_mel.std(axis=1), log_mel.max(axis=1), flux]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def _settings(self) -> tuple[object, ...]:
        return (_mel_filters().tobytes(),)


@cache
def _mel_filters() -> npt.NDArray[np.float64]:
    from librosa.filters import mel

    return np.asarray(
        mel(sr=LogMelStats.sample_rate, n_fft=N_FFT, n_mels=N_MELS, fmin=50.0, dtype=np.float64)
    )
