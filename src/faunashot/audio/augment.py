"""Augmentation of log-mel spectrograms while a network learns from them; all draws are seeded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faunashot.audio.melspec import EMPTY_DB, FLOOR_DB, frame_power, is_there, power
from faunashot.audio.noise import active

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]
Rng = np.random.Generator

NAIVE_SNR_DB = (0.0, 20.0)
CALIBRATED_SNR_DB = (10.0, 20.0)
ROUNDING_DB = 0.001
MOST_GAIN_DB = 60.0
"""Noise that had to be raised by more is a pause in the recording of noise."""


class Mixing(NamedTuple):
    """Clips that noise is mixed into in one epoch.

    Attributes
    ----------
    rows : ndarray of int
        Of the clips, (n,); one may be there several times.
    snr_db : ndarray
        Of each, (n,).
    of_active : bool
        Whether the signal's power is that of its active frames, or of all of them.
    """

    rows: IntArray
    snr_db: npt.NDArray[np.float64]
    of_active: bool


def naive(classes: IntArray, rng: Rng, *, share: float) -> Mixing:
    """Draw clips at random, whichever class they are of, at 0 to 20 dB.

    Parameters
    ----------
    classes : ndarray of int
        Number of the class of each clip, (N,).
    share : float
        Of the clips.
    """
    n = round(share * len(classes))
    rows = rng.permutation(len(classes))[:n]
    return Mixing(rows, rng.uniform(*NAIVE_SNR_DB, n), of_active=False)


def calibrated(classes: IntArray, rng: Rng, *, share: float) -> Mixing:
    """Draw as many clips of each class, at 10 to 20 dB of their active frames.

    Of a class of fewer clips some are drawn once more, for another noise at another SNR.

    Parameters
    ----------
    classes : ndarray of int
        Number of the class of each clip, (N,).
    share : float
        How many are drawn, as a share of all clips.
    """
    found = np.unique(classes)
    each = max(1, round(share * len(classes) / len(found))) if share > 0 else 0
    rows = np.concatenate(
        [np.resize(rng.permutation(np.flatnonzero(classes == one)), each) for one in found]
    )
    return Mixing(rows, rng.uniform(*CALIBRATED_SNR_DB, len(rows)), of_active=True)


MIXINGS: dict[str, Callable[..., Mixing]] = {"naive": naive, "calibrated": calibrated}
"""Ways to draw what noise is mixed into, by name."""


def mix(
    clip: FloatArray, noise: FloatArray, *, snr_db: float, of_active: bool, start: int = 0
) -> FloatArray:
    """Mix noise into one spectrogram, as powers, which add up where phases are random.

    Parameters
    ----------
    clip, noise : ndarray, shape (frames, bands)
        In dB, with frames after the end that are empty. A noise that is shorter than the clip is
        repeated.
    snr_db : float
        Power of the clip over that of the noise, both over the same frames: the active ones
        of the clip, or all.
    start : int
        Frame of the noise that meets the first of the clip.

    Returns
    -------
    ndarray, shape (frames, bands)
        In dB; a silent clip, or one that meets a pause in the noise, as it was.
    """
    n, of_noise = int(is_there(clip).sum()), int(is_there(noise).sum())
    signal = _sound(clip[:n])
    added = _sound(noise[:of_noise])[(start + np.arange(n)) % max(of_noise, 1)]
    level = frame_power(signal)
    counted = active(level) if of_active else np.ones(n, dtype=bool)
    loud, disturbing = level[counted].sum(), frame_power(added)[counted].sum()
    result = clip.copy()
    if loud > 0 and disturbing > 0 and loud / disturbing < 10 ** ((MOST_GAIN_DB + snr_db) / 10):
        gain = loud / disturbing / 10 ** (snr_db / 10)
        mixed = signal + np.float32(gain) * added
        result[:n] = 10 * np.log10(np.maximum(mixed, 10 ** (FLOOR_DB / 10)))
    return result


def _sound(db: FloatArray) -> FloatArray:
    """Power of what is there; that of digital silence is none, not that of the floor."""
    return np.where(db > FLOOR_DB + ROUNDING_DB, power(db), np.float32(0))


def gain(clips: FloatArray, rng: Rng, *, most_db: float) -> FloatArray:
    """Make each spectrogram, (N, frames, bands) in dB, louder or softer by up to `most_db`."""
    drawn = rng.uniform(-most_db, most_db, (len(clips), 1, 1)).astype(np.float32)
    louder = np.maximum(clips + drawn, np.float32(FLOOR_DB))
    return np.where(is_there(clips)[..., None], louder, np.float32(EMPTY_DB))


def crop(spectrogram: FloatArray, rng: Rng, *, frames: int) -> FloatArray:
    """Cut a spectrogram, (any, bands), to at most so many frames, at a place that is drawn."""
    spare = len(spectrogram) - frames
    if spare <= 0:
        return spectrogram
    start = int(rng.integers(spare + 1))
    return spectrogram[start : start + frames]


def shift(spectrograms: FloatArray, rng: Rng, *, lengths: IntArray) -> FloatArray:
    """Let each of (N, frames, bands) begin at a frame that is drawn, zeros before and after it.

    Parameters
    ----------
    lengths : ndarray of int
        Frames of each that are there, from the first on.
    """
    starts = rng.integers(0, spectrograms.shape[1] - lengths + 1)
    shifted = np.zeros_like(spectrograms)
    for at, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        shifted[at, start : start + length] = spectrograms[at, :length]
    return shifted


def mask(
    spectrograms: FloatArray,
    rng: Rng,
    *,
    masks: int,
    frames: int,
    bands: int,
    fewest: int | None = None,
    lengths: IntArray | None = None,
) -> FloatArray:
    """SpecAugment: hide stretches of frames and of bands of each behind its mean.

    Parameters
    ----------
    spectrograms : ndarray, shape (N, frames, bands)
    masks : int
        Stretches along each axis, at most.
    frames, bands : int
        The most that one of them hides; its width is drawn from 0 up to this.
    fewest : int, optional
        Stretches along each axis, at least; as many as `masks` if not given.
    lengths : ndarray of int, optional
        Frames of each that may be hidden, from the first on; all if not given.

    References
    ----------
    D. S. Park et al. SpecAugment: A simple data augmentation method for automatic speech
    recognition. Interspeech 2019.
    """
    n = len(spectrograms)
    hidden = np.zeros(spectrograms.shape, dtype=bool)
    fewest = masks if fewest is None else fewest
    for axis, most in ((1, frames), (2, bands)):
        at = np.arange(spectrograms.shape[axis])
        size: Any = len(at) if lengths is None or axis == 2 else lengths[:, None]
        number = masks if fewest == masks else rng.integers(fewest, masks + 1, (n, 1))
        for each in range(masks):
            width = rng.integers(0, np.minimum(most, size) + 1, (n, 1)) * (each < number)
            start = rng.integers(0, size - width + 1)
            hidden |= np.expand_dims((at >= start) & (at < start + width), 3 - axis)
    if lengths is None:
        mean = spectrograms.mean(axis=(1, 2), keepdims=True)
    else:
        there = (np.arange(spectrograms.shape[1]) < lengths[:, None])[..., None]
        hidden &= there
        mean = spectrograms.mean(axis=(1, 2), keepdims=True, where=there)
    return np.where(hidden, mean, spectrograms)


def mixup(
    spectrograms: FloatArray, target: FloatArray, weight: FloatArray, rng: Rng, *, alpha: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mix each spectrogram, its target (N, C) and its weight (N,) with another's of the batch.

    Parameters
    ----------
    alpha : float
        Of the Beta distribution that its share is drawn from, above 0; the larger share is
        its own.

    References
    ----------
    H. Zhang et al. mixup: Beyond empirical risk minimization. ICLR 2018.
    """
    drawn = rng.beta(alpha, alpha, len(spectrograms))
    share = np.maximum(drawn, 1 - drawn).astype(np.float32)
    other = rng.permutation(len(spectrograms))

    def mixed(values: FloatArray) -> FloatArray:
        own = share.reshape(-1, *(1,) * (values.ndim - 1))
        return own * values + (1 - own) * values[other]

    return mixed(spectrograms), mixed(target), mixed(weight)
