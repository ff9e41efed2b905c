"""Augmentation of log-mel patches while a network is trained on them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def mask(
    patches: FloatArray, rng: np.random.Generator, *, masks: int, frames: int, bands: int
) -> FloatArray:
    """SpecAugment: hide stretches of frames and of bands of each patch behind its mean.

    Parameters
    ----------
    patches : (N, frames, bands).
    masks : stretches along each axis.
    frames, bands : the most that one of them hides; its width is drawn from 0 up to this.

    References
    ----------
    D. S. Park et al. SpecAugment: A simple data augmentation method for automatic speech
    recognition. Interspeech 2019.
    """
    hidden = np.zeros(patches.shape, dtype=bool)
    for axis, most in ((1, frames), (2, bands)):
        size = patches.shape[axis]
        for _ in range(masks):
            width = rng.integers(0, min(most, size) + 1, (len(patches), 1))
            start = rng.integers(0, size - width + 1)
            at = np.arange(size)
            hidden |= np.expand_dims((at >= start) & (at < start + width), 3 - axis)
    return np.where(hidden, patches.mean(axis=(1, 2), keepdims=True), patches)


def mixup(
    patches: FloatArray,
    target: FloatArray,
    weight: FloatArray,
    rng: np.random.Generator,
    *,
    alpha: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mix each patch, its target (N, C) and its weight (N,) with another's of the batch.

    Parameters
    ----------
    alpha : of the Beta distribution that a patch's share is drawn from, above 0; the larger share
        is its own.

    References
    ----------
    H. Zhang et al. mixup: Beyond empirical risk minimization. ICLR 2018.
    """
    drawn = rng.beta(alpha, alpha, len(patches))
    share = np.maximum(drawn, 1 - drawn).astype(np.float32)
    other = rng.permutation(len(patches))

    def mixed(values: FloatArray) -> FloatArray:
        own = share.reshape(-1, *(1,) * (values.ndim - 1))
        return own * values + (1 - own) * values[other]

    return mixed(patches), mixed(target), mixed(weight)
