"""Spectrograms as grey images, which networks trained on photographs read."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from faunashot import options
from faunashot.audio.melspec import FLOOR_DB, SAMPLE_RATE
from faunashot.audio.windows import split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

HOP, WINDOW_S = 256, 5.0
WINDOW_SAMPLES = round(WINDOW_S * SAMPLE_RATE)
RANGE_DB = 80.0
WHITE = 255.0
GREY = (103.939 + 116.779 + 123.68) / 3
"""Mean of the photographs of ImageNet over their three channels."""


class GreyImage(FrontEnd):
    """Windows of 5 s at 16 kHz, grey between the loudest point and 80 dB below.

    The loudest point of a window is white, 255; from all the mean grey of ImageNet's photographs
    is taken. Digital silence is black.
    """

    class Options(options.Options):
        """Step between windows in seconds."""

        hop_s: Annotated[float, Field(ge=0.01, le=WINDOW_S)] = WINDOW_S

    sample_rate = SAMPLE_RATE
    window_s = WINDOW_S
    window_samples = WINDOW_SAMPLES
    n_fft: ClassVar[int]
    citation = (
        "K. Palanisamy, D. Singhania, A. Yao. Rethinking CNN models for audio classification. "
        "arXiv:2007.11154, 2020."
    )

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Images of 16 kHz samples, (n,) -> (N, frames, bands)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        return np.stack([_image(self.spectrogram(window)) for window in windows])

    @staticmethod
    @abstractmethod
    def spectrogram(window: FloatArray) -> FloatArray:
        """Power of a window's samples in dB, at least `FLOOR_DB`, (n,) -> (frames, bands)."""

    def _settings(self) -> tuple[object, ...]:
        return self.n_fft, HOP, self.shape[1], FLOOR_DB, RANGE_DB, WHITE, GREY


def _image(db: FloatArray) -> FloatArray:
    loudest = db.max()
    below = db - loudest if loudest > FLOOR_DB else np.full_like(db, -RANGE_DB)
    grey = WHITE * (1 + np.maximum(below, -RANGE_DB) / RANGE_DB)
    return np.asarray(grey - GREY, dtype=np.float32)
