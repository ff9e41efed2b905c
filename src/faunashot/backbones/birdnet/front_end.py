"""BirdNET's front end: two spectrograms of each window, with the published model's constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from faunashot.audio.windows import split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

FRAMES_AT_ONCE = 32
"""Frames of one Fourier transform: few enough for a core's cache."""


class BirdNetSpectrograms(FrontEnd):
    """Two spectrograms of each 3 s of 48 kHz samples.

    Parameters
    ----------
    hop_s : float
        Step between windows in seconds.
    transform : callable
        Loads `NormalisedSpectrograms` with the constants of the published model.
    """

    name = "birdnet_spectrograms"
    version = "2.4"
    sample_rate = 48_000
    window_s = 3.0
    window_samples = 144_000
    shape = (96, 511, 2)
    citation = (
        "S. Kahl, C. M. Wood, M. Eibl, H. Klinck. BirdNET: A deep learning solution for avian "
        "diversity monitoring. Ecological Informatics 61, 101236, 2021."
    )

    def __init__(self, *, hop_s: float, transform: Callable[[], NormalisedSpectrograms]) -> None:
        super().__init__(hop_s=hop_s)
        self.constants = transform

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Both spectrograms of each window, (n,) -> (N, 96, 511, 2)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        return self.constants()(windows)


@dataclass(frozen=True)
class Spectrogram:
    """Mel bands of the real part of a signal's spectrum, squared and compressed.

    Attributes
    ----------
    window : ndarray, shape (n,)
        Factor of each sample of a frame.
    hop : int
        Samples between frames.
    bins : slice
        Of the transform that any band reads.
    mel : ndarray, shape (bins, bands)
        Weights, highest band first.
    exponent : ndarray
        Of the compression.
    """

    window: FloatArray
    hop: int
    bins: slice
    mel: FloatArray
    exponent: FloatArray

    def __call__(self, signals: FloatArray) -> FloatArray:
        """Spectrogram of signals, (N, samples) -> (N, bands, frames).

        Frames are transformed in double precision, as in the published model: in single, the
        power that compresses would blow up the rounding errors of silence and of pure tones
        until they move the embedding by 0.05.
        """
        n = len(self.window)
        frames = np.lib.stride_tricks.sliding_window_view(signals, n, axis=1)[:, :: self.hop]
        rows = min(FRAMES_AT_ONCE, frames.shape[1])
        block, spectrum = np.empty((rows, n)), np.empty((rows, n // 2 + 1), dtype=np.complex128)
        real = np.empty((frames.shape[1], len(self.mel)), dtype=np.float32)
        result = np.empty((len(signals), self.mel.shape[1], frames.shape[1]), dtype=np.float32)
        for i, of_signal in enumerate(frames):
            for at in range(0, len(of_signal), rows):
                taken = of_signal[at : at + rows]
                np.multiply(taken, self.window, out=block[: len(taken)])
                np.fft.rfft(block[: len(taken)], out=spectrum[: len(taken)])
                real[at : at + rows] = spectrum.real[: len(taken), self.bins]
            bands = real @ self.mel
            result[i] = np.power(bands * bands, self.exponent).T
        return result


@dataclass(frozen=True)
class NormalisedSpectrograms:
    """Normalisation to [-1, 1] of each window by itself, and two spectrograms.

    `offset`, `centre` and `scale` are the normalisation's; the spectrograms are of one shape.
    """

    offset: FloatArray
    centre: FloatArray
    scale: FloatArray
    spectrograms: list[Spectrogram]

    def __call__(self, windows: FloatArray) -> FloatArray:
        """Both spectrograms of windows, (N, samples) -> (N, bands, frames, 2)."""
        signals = windows - windows.min(axis=1, keepdims=True)
        signals /= signals.max(axis=1, keepdims=True) + self.offset
        signals -= self.centre
        signals *= self.scale
        return np.stack([spectrogram(signals) for spectrogram in self.spectrograms], axis=-1)
