"""Log-mel spectrograms of whole clips; as features, what networks trained from scratch read."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy.typing as npt

from faunashot.audio import melspec
from faunashot.backbones.base import Backbone, FloatArray
from faunashot.errors import ParameterError


class LogMelFrames(Backbone):
    """Log-mel power in dB, 500 frames of 128 bands in one row; there are no weights.

    A clip shorter than 16 s is padded, which the row tells; a longer one has several windows.

    Parameters
    ----------
    hop_s : step between windows in seconds, at most 16.
    """

    name = "logmel_frames"
    version = "1"
    sample_rate = melspec.SAMPLE_RATE
    window_s = melspec.FRAMES * melspec.HOP / melspec.SAMPLE_RATE
    window_samples = melspec.WINDOW_SAMPLES
    batch_size = 16
    dim = melspec.FRAMES * melspec.N_MELS
    licence = "MIT"
    citation = (
        "S. B. Davis, P. Mermelstein. Comparison of parametric representations for monosyllabic "
        "word recognition in continuously spoken sentences. IEEE TASSP 28(4), 1980 (mel scale)."
    )
    source = "computed"
    trained_on = "nothing"

    def __init__(self, hop_s: float = 16.0) -> None:
        self.hop_s = hop_s
        settings = (melspec.SAMPLE_RATE, melspec.N_FFT, melspec.HOP, melspec.N_MELS)
        levels = (melspec.FRAMES, melspec.FLOOR_DB, melspec.EMPTY_DB)
        self.weights_hash = hashlib.sha256(repr((settings, levels)).encode()).hexdigest()

    def front_end(self, samples: FloatArray) -> FloatArray:
        """Spectrograms of 16 kHz samples, (n,) -> (N, 500, 128)."""
        return melspec.spectrograms(samples, hop=self.hop_samples)

    def network(self, inputs: FloatArray) -> FloatArray:
        """The spectrograms in one row each, frame by frame, (N, 500, 128) -> (N, 64000)."""
        return inputs.reshape(len(inputs), self.dim)

    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Raise `ParameterError`: spectrograms have no classes of their own."""
        raise ParameterError("backbone: logmel_frames has no classes of its own; use yamnet")
