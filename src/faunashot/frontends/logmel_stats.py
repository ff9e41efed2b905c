"""Statistics of a log-mel spectrogram: the baseline that shows what pretraining buys."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.backbones.base import Backbone, FloatArray
from faunashot.errors import ParameterError

N_FFT, HOP, N_MELS = 1024, 512, 64


class LogMel(Backbone):
    """Mean, spread, peak and flux of each of 64 log-mel bands; there are no weights.

    Parameters
    ----------
    hop_s : step between windows in seconds, at most 1.
    """

    name = "logmel"
    version = "1"
    sample_rate = 32_000
    window_s = 1.0
    window_samples = 32_000
    batch_size = 64
    dim = 4 * N_MELS
    licence = "MIT"
    citation = (
        "S. B. Davis, P. Mermelstein. Comparison of parametric representations for monosyllabic "
        "word recognition in continuously spoken sentences. IEEE TASSP 28(4), 1980 (mel scale)."
    )
    source = "computed"
    trained_on = "nothing"

    def __init__(self, hop_s: float = 0.5) -> None:
        self.hop_s = hop_s
        self.weights_hash = hashlib.sha256(_mel_filters().tobytes()).hexdigest()

    def network(self, inputs: FloatArray) -> FloatArray:
        """Embed 32 kHz windows, (N, 32000) -> (N, 256)."""
        frames = np.lib.stride_tricks.sliding_window_view(inputs, N_FFT, axis=1)[:, ::HOP]
        hann = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
        power = np.abs(np.fft.rfft(frames * hann, axis=2)) ** 2
        log_mel = 10 * np.log10(np.maximum(power @ _mel_filters().T, 1e-10))
        flux = np.abs(np.diff(log_mel, axis=1)).mean(axis=1)
        parts = [log_mel.mean(axis=1), log_mel.std(axis=1), log_mel.max(axis=1), flux]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Raise `ParameterError`: statistics have no classes of their own."""
        raise ParameterError("backbone: logmel has no classes of its own; use yamnet or birdnet")


@cache
def _mel_filters() -> npt.NDArray[np.float64]:
    from librosa.filters import mel

    return np.asarray(
        mel(sr=LogMel.sample_rate, n_fft=N_FFT, n_mels=N_MELS, fmin=50.0, dtype=np.float64)
    )
