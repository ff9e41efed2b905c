"""Log-mel patches of about a second, as networks trained on AudioSet read them."""

from __future__ import annotations

from functools import cache
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from faunashot import options
from faunashot.audio.windows import count_windows, split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

FRAMES, BANDS = 96, 64
FRAME, HOP, N_FFT = 400, 160, 512
FMIN_HZ, FMAX_HZ = 125.0, 7_500.0
OFFSET = 0.001
SAMPLE_RATE, WINDOW_SAMPLES = 16_000, 15_600


class MelPatches(FrontEnd):
    """Log-mel patches, 96 frames of 64 bands.

    Frames are STFT windows of 25 ms every 10 ms, 96 of them (0.96 s) to a patch, so a window spans
    15,600 samples, 15 ms over 0.96 s. A clip is padded to a whole number of hops.

    References
    ----------
    S. Hershey et al. CNN architectures for large-scale audio classification. ICASSP 2017.
    """

    class Options(options.Options):
        """Step between windows in seconds; published: 0.48."""

        hop_s: Annotated[float, Field(ge=0.001, le=0.96)] = 0.48

    name = "mel_patches"
    sample_rate = SAMPLE_RATE
    window_s = 0.96
    window_samples = WINDOW_SAMPLES
    shape = (FRAMES, BANDS)
    citation = (
        "S. Hershey et al. CNN architectures for large-scale audio classification. ICASSP 2017."
    )

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Log-mel patches of 16 kHz samples, (n,) -> (N, 96, 64)."""
        return patches(samples, hop=self.hop_samples)

    def _settings(self) -> tuple[object, ...]:
        return FRAMES, BANDS, FRAME, HOP, N_FFT, FMIN_HZ, FMAX_HZ, OFFSET


def patches(samples: FloatArray, *, hop: int) -> FloatArray:
    """Log-mel patches of the windows of 16 kHz mono audio, (n,) -> (N, 96, 64).

    The spectrum of a frame that windows share is computed once, where the hop is a whole number
    of frames; else each window has frames of its own.
    """
    if hop % HOP:
        windows = split_windows(samples, WINDOW_SAMPLES, hop=hop)
        return np.stack([log_mel(window) for window in windows])
    n = count_windows(len(samples), WINDOW_SAMPLES, hop=hop)
    padded = np.zeros(WINDOW_SAMPLES + (n - 1) * hop, np.float32)
    padded[: len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(log_mel(padded), FRAMES, axis=0)
    return frames[:: hop // HOP].transpose(0, 2, 1)


def log_mel(samples: FloatArray) -> FloatArray:
    """Log-mel spectrum as published: 25 ms frames every 10 ms, 64 bands, (n,) -> (frames, 64)."""
    from scipy.fft import rfft  # keeps float32, and transforms several frames at once

    framed = np.lib.stride_tricks.sliding_window_view(samples, FRAME)[::HOP]
    padded = np.zeros((len(framed), N_FFT), np.float32)
    np.multiply(framed, hann(), out=padded[:, :FRAME])
    mel = np.abs(rfft(padded, axis=1)) @ mel_filters()
    return np.asarray(np.log(mel + np.float32(OFFSET)))


@cache
def hann() -> FloatArray:
    """In float32 as the published model has it: rounding shows in the bands of quiet frames."""
    turn = np.float32(2 * np.pi) * np.arange(FRAME, dtype=np.float32) / np.float32(FRAME)
    return np.asarray(np.float32(0.5) - np.float32(0.5) * np.cos(turn))


@cache
def mel_filters() -> FloatArray:
    """Triangles on the mel scale of HTK, (257, 64), as `tf.signal.linear_to_mel_weight_matrix`."""

    def mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(1127.0 * np.log1p(hz / 700.0))

    bins = mel(np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)[1:, None])  # no weight on 0 Hz
    low, high = mel(np.array([FMIN_HZ, FMAX_HZ]))
    edges = np.linspace(low, high, BANDS + 2)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.pad(triangles, ((1, 0), (0, 0))).astype(np.float32)
