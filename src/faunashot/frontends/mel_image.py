"""Log-mel spectrograms as grey images, which networks trained on photographs read."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from faunashot import options
from faunashot.audio.melspec import FLOOR_DB, N_FFT, N_MELS, SAMPLE_RATE, log_mel
from faunashot.audio.windows import split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

HOP, WINDOW_S = 256, 5.0
WINDOW_SAMPLES = round(WINDOW_S * SAMPLE_RATE)
RANGE_DB = 80.0
WHITE = 255.0
GREY = (103.939 + 116.779 + 123.68) / 3
"""Mean of the photographs of ImageNet over their three channels."""


class MelImage(FrontEnd):
    """Windows of 5 s, 309 frames of 128 bands, grey between the loudest point and 80 dB below.

    The loudest point of a window is white, 255; from all the mean grey of ImageNet's photographs
    is taken. Digital silence is black.

    References
    ----------
    K. Palanisamy, D. Singhania, A. Yao. Rethinking CNN models for audio classification.
    arXiv:2007.11154, 2020.
    """

    class Options(options.Options):
        """Step between windows in seconds."""

        hop_s: Annotated[float, Field(ge=0.01, le=WINDOW_S)] = WINDOW_S

    name = "mel_image"
    sample_rate = SAMPLE_RATE
    window_s = WINDOW_S
    window_samples = WINDOW_SAMPLES
    shape = (1 + (WINDOW_SAMPLES - N_FFT) // HOP, N_MELS)
    citation = (
        "K. Palanisamy, D. Singhania, A. Yao. Rethinking CNN models for audio classification. "
        "arXiv:2007.11154, 2020."
    )

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Images of 16 kHz samples, (n,) -> (N, 309, 128)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        return np.stack([_image(log_mel(window, hop=HOP)) for window in windows])

    def _settings(self) -> tuple[object, ...]:
        return N_FFT, HOP, N_MELS, FLOOR_DB, RANGE_DB, WHITE, GREY


def _image(db: FloatArray) -> FloatArray:
    loudest = db.max()
    below = db - loudest if loudest > FLOOR_DB else np.full_like(db, -RANGE_DB)
    grey = WHITE * (1 + np.maximum(below, -RANGE_DB) / RANGE_DB)
    return np.asarray(grey - GREY, dtype=np.float32)
