"""YAMNet's log-mel patches as features: what its network reads when it is fine-tuned."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.audio.decode import quiet_native
from faunashot.backbones.base import FloatArray
from faunashot.errors import ParameterError

FRAMES, BANDS = 96, 64
FRAME, HOP, N_FFT = 400, 160, 512
FMIN_HZ, FMAX_HZ = 125.0, 7_500.0
OFFSET = 0.001


class YamNetPatches:
    """Log-mel patches of YAMNet, 96 frames of 64 bands in one row; there are no weights.

    Parameters
    ----------
    hop_s : step between windows in seconds, at most 0.96; published: 0.48.
    """

    name = "yamnet_patches"
    version = "1"
    sample_rate = 16_000
    window_s = 0.96
    window_samples = 15_600
    batch_size = 64
    dim = FRAMES * BANDS
    classes = None
    vocabulary = None
    licence = "Apache-2.0"
    citation = "M. Plakal, D. Ellis. YAMNet. TensorFlow Model Garden, 2020."
    source = "computed"
    trained_on = "nothing"

    def __init__(self, hop_s: float = 0.48) -> None:
        self.hop_s = hop_s
        settings = (FRAMES, BANDS, FRAME, HOP, N_FFT, FMIN_HZ, FMAX_HZ, OFFSET)
        self.weights_hash = hashlib.sha256(repr(settings).encode()).hexdigest()

    def embed(self, windows: FloatArray) -> FloatArray:
        """Log-mel patches of 16 kHz windows, (N, 15600) -> (N, 6144), frame by frame."""
        patches = self._run(np.ascontiguousarray(windows, dtype=np.float32))
        return np.asarray(patches).reshape(len(windows), self.dim)

    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Raise `ParameterError`: patches have no classes of their own."""
        raise ParameterError("backbone: yamnet_patches has no classes of its own; use yamnet")

    def scores(self, windows: FloatArray) -> FloatArray:
        """Raise `ParameterError`, see `classify`."""
        return self.classify(windows)

    @cached_property
    def _run(self) -> Any:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with quiet_native():
            import tensorflow as tf

        signature = [tf.TensorSpec([None, self.window_samples], tf.float32)]
        return tf.function(lambda windows: log_mel(tf, windows), input_signature=signature)


def log_mel(tf: Any, windows: Any) -> Any:
    """YAMNet's front end as TensorFlow's graph, (N, 15600) -> (N, 96, 64)."""
    rate = YamNetPatches.sample_rate
    bins = N_FFT // 2 + 1
    mel = tf.signal.linear_to_mel_weight_matrix(BANDS, bins, rate, FMIN_HZ, FMAX_HZ)
    spectrum = tf.abs(tf.signal.stft(windows, FRAME, HOP, fft_length=N_FFT))
    return tf.math.log(tf.matmul(spectrum, mel) + OFFSET)
