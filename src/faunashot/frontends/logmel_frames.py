"""Log-mel spectrograms of whole clips; what networks trained from scratch read."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from faunashot import options
from faunashot.audio import melspec
from faunashot.frontends.base import FloatArray, FrontEnd


class LogMelFrames(FrontEnd):
    """Log-mel power in dB, 500 frames of 128 bands.

    A clip shorter than 16 s is padded, which the frames tell; a longer one has several windows.
    """

    class Options(options.Options):
        """Step between windows in seconds."""

        hop_s: Annotated[float, Field(ge=0.001, le=16.0)] = 16.0

    name = "logmel_frames"
    sample_rate = melspec.SAMPLE_RATE
    window_s = melspec.FRAMES * melspec.HOP / melspec.SAMPLE_RATE
    window_samples = melspec.WINDOW_SAMPLES
    shape = (melspec.FRAMES, melspec.N_MELS)
    citation = (
        "S. B. Davis, P. Mermelstein. Comparison of parametric representations for monosyllabic "
        "word recognition in continuously spoken sentences. IEEE TASSP 28(4), 1980 (mel scale)."
    )

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Spectrograms of 16 kHz samples, (n,) -> (N, 500, 128)."""
        return melspec.spectrograms(samples, hop=self.hop_samples)

    def _settings(self) -> tuple[object, ...]:
        return melspec.N_FFT, melspec.HOP, melspec.FLOOR_DB, melspec.EMPTY_DB
