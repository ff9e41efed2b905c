"""Measures of how a clip was recorded: its level, its noise floor and its bandwidth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

SILENCE_DB = -120.0
"""Level that digital silence is given; the least step of 16 bits lies at -90 dBFS."""

FULL_SCALE = 0.999

FRAME_S = 0.02
FLOOR_PERCENTILE = 10

STEP_16_BIT = 2.0**-15
ABOVE_ROUNDING = 10.0
BELOW_PEAK = 1e-9
BINS_A_BAND = 4
MOST_FRAMES = 64

Samples = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


def level_db(samples: npt.NDArray[np.floating[Any]]) -> float:
    """RMS level of samples of any shape, in dBFS, at least `SILENCE_DB`."""
    if samples.size == 0:
        return SILENCE_DB
    return float(_decibels(np.mean(np.square(samples, dtype=np.float64))))


def centred(samples: Samples) -> Samples:
    """Mono audio of shape (n,) without its offset, which is no sound."""
    return samples - samples.mean(dtype=np.float64).astype(np.float32) if len(samples) else samples


def full_scale_share(level: Samples) -> float:
    """Share of absolute samples at full scale, where formats of integers clip."""
    return float((level >= FULL_SCALE).mean())


def flat_share(samples: Samples) -> float:
    """Share of samples, shape (frames, channels), that lie in flat tops.

    A flat top is three equal samples or more at the peak, whatever that is: what a recorder clipped
    before the samples were scaled, or kept as floating-point numbers that have no full scale.
    """
    at_top = np.abs(samples) >= FULL_SCALE * np.abs(samples).max(initial=0)
    equal = at_top[1:] & (samples[1:] == samples[:-1])
    inner = equal[1:] & equal[:-1]
    flat = np.zeros(samples.shape, dtype=bool)
    for first in range(3):
        flat[first : len(flat) - 2 + first] |= inner
    return float(flat.mean())


def noise_floor_db(samples: Samples, rate_hz: int) -> float:
    """Level of the quietest part of mono audio of shape (n,), in dBFS, at least `SILENCE_DB`.

    It is the level that a tenth of the frames of 20 ms stay under, each without its offset.
    """
    level = _power(_frames(samples, rate_hz))
    return float(_decibels(np.percentile(level, FLOOR_PERCENTILE)))


def bandwidth_hz(samples: Samples, rate_hz: int) -> float:
    """Frequency above which mono audio of shape (n,) holds nothing; 0 for digital silence.

    Whatever the header says, audio that once was sampled at 8 kHz holds nothing above 4 kHz, and
    an MP3 little above 16 kHz. Nothing is what lies 90 dB under the strongest band or less than
    10 dB above the rounding to 16 bits, in most of the louder half of the frames of 20 ms:
    one click, as a cut leaves it, does not count.

    Returns
    -------
    float
        Upper edge of the highest band that holds anything, in Hz, at most half of `rate_hz`.
    """
    frames = _frames(samples, rate_hz)
    level = _power(frames)
    loud = np.flatnonzero((level >= np.median(level)) & (level > 0))
    if len(loud) == 0:
        return 0.0
    few = loud[:: -(-len(loud) // MOST_FRAMES)]
    from scipy import fft
    from scipy.signal import get_window  # takes a second to import

    window = get_window("hann", frames.shape[1]).astype(np.float32)
    spectra = fft.rfft(frames[few] * window, axis=1)[:, 1:]
    power = np.square(spectra.real) + np.square(spectra.imag)
    starts = np.arange(0, spectra.shape[1], BINS_A_BAND)
    bins = np.diff(starts, append=spectra.shape[1])
    bands = np.median(np.add.reduceat(power, starts, axis=1) / bins, axis=0)
    rounding = STEP_16_BIT**2 / 12 * np.sum(np.square(window, dtype=np.float64))
    held = np.flatnonzero(bands > max(ABOVE_ROUNDING * rounding, BELOW_PEAK * bands.max()))
    if len(held) == 0:
        return 0.0
    return float(np.cumsum(bins)[held[-1]] * rate_hz / frames.shape[1])


def _frames(samples: Samples, rate_hz: int) -> Samples:
    """Whole frames of `FRAME_S` without offset, (n_frames, frame); a shorter clip is one frame."""
    frame = max(1, min(round(FRAME_S * rate_hz), len(samples)))
    whole = len(samples) // frame * frame
    if whole == 0:
        return np.zeros((1, 1), np.float32)
    frames = samples[:whole].reshape(-1, frame)
    return np.asarray(frames - frames.mean(axis=1, keepdims=True), dtype=np.float32)


def _power(frames: Samples) -> Float64:
    return np.asarray(np.einsum("ij,ij->i", frames, frames) / frames.shape[1], dtype=np.float64)


def _decibels(power: npt.ArrayLike) -> Float64:
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))
