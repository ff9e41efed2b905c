"""Log-mel spectrograms as grey images."""

from __future__ import annotations

from faunashot.audio.melspec import N_FFT, N_MELS, log_mel
from faunashot.frontends._grey_image import HOP, WINDOW_SAMPLES, GreyImage
from faunashot.frontends.base import FloatArray


class MelImage(GreyImage):
    """Images of 309 frames of 128 mel bands.

    References
    ----------
    K. Palanisamy, D. Singhania, A. Yao. Rethinking CNN models for audio classification.
    arXiv:2007.11154, 2020.
    """

    name = "mel_image"
    n_fft = N_FFT
    shape = (1 + (WINDOW_SAMPLES - N_FFT) // HOP, N_MELS)

    @staticmethod
    def spectrogram(window: FloatArray) -> FloatArray:
        """Log-mel power of a window's samples, (80000,) -> (309, 128)."""
        return log_mel(window, hop=HOP)
