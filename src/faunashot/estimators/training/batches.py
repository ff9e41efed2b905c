"""Batches of spectrograms, augmented, as a network that is trained from scratch sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faunashot.audio import augment
from faunashot.audio.melspec import FRAMES, N_MELS, is_there, normalised
from faunashot.errors import ParameterError
from faunashot.estimators.training.keras_fit import Batch

FloatArray = npt.NDArray[np.float32]


NOISES = ("none", *augment.MIXINGS)

STEP = 32
"""Frames that lengths are rounded up to, where a network reads any number: few shapes occur."""


class Augmentation(NamedTuple):
    """What is done to the clips that are learned from, see `FromScratch.Options`."""

    passes: int
    noise: str
    noise_share: float
    masks: int
    mask_frames: int
    mask_bands: int
    mixup: float
    gain_db: float
    shift: bool
    crop_frames: int
    z_norm: bool
    pcen: bool
    batch_size: int
    seed: int


class Epochs:
    """Batches of each epoch; what they hold depends on seed and number of the epoch alone.

    Parameters
    ----------
    X : ndarray, shape (N, 64000)
        Rows of features; only rows are read from it, so it may be a memory map.
    classes : ndarray of int, shape (N,)
        Number of the class of each.
    target, weight : ndarray, shapes (N, C) and (N,)
        Of each row.
    noise : ndarray, shape (n, 64000), optional
        Rows of noise recordings, where noise is mixed in.
    how : Augmentation
    any_length : bool
        Whether the network reads any number of frames: none that all clips of a batch lack is
        passed to it.
    """

    def __init__(
        self,
        X: Any,
        classes: npt.NDArray[np.intp],
        target: FloatArray,
        weight: FloatArray,
        *,
        noise: FloatArray | None,
        how: Augmentation,
        any_length: bool,
    ) -> None:
        self._X, self._classes, self._target, self._weight = X, classes, target, weight
        self._how, self._any_length = how, any_length
        self._noise: list[FloatArray] = []
        if how.noise not in NOISES:
            raise ParameterError.unknown("noise", how.noise, NOISES)
        if how.noise != "none":
            if noise is None or not len(noise):
                raise ParameterError(
                    f"noise: {how.noise} mixing needs recordings of noise: set noise.root to a "
                    "folder of them"
                )
            self._noise = _clips(noise)

    def __len__(self) -> int:
        rows = self._drawn(np.random.default_rng(0))[0]  # as many in each epoch
        return -(-len(rows) // self._how.batch_size)

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """Batches of an epoch, the first being 1."""
        how = self._how
        rng = np.random.default_rng([how.seed, epoch])
        rows, mixing_of, mixing = self._drawn(rng)
        for at in range(0, len(rows), how.batch_size):
            part = slice(at, at + how.batch_size)
            clips = _clips(self._X[rows[part]])
            if mixing is not None:
                self._mix(clips, mixing_of[part], mixing, rng)
            batch = Batch(self._inputs(clips, rng), *self._wanted(rows[part]))
            if how.mixup > 0:
                batch = Batch(*augment.mixup(*batch, rng, alpha=how.mixup))
            yield batch

    def _wanted(self, rows: npt.NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        return self._target[rows], self._weight[rows]

    def _inputs(self, clips: Sequence[FloatArray], rng: np.random.Generator) -> FloatArray:
        """What the network reads of clips in dB, each as long as it is."""
        how = self._how
        frames = self._frames(max(map(len, clips)))
        inputs = np.zeros((len(clips), frames, N_MELS), np.float32)
        lengths = np.zeros(len(clips), np.intp)
        for at, clip in enumerate(clips):
            if how.gain_db > 0:
                clip = augment.gain(clip[None], rng, most_db=how.gain_db)[0]
            clip = normalised(clip[None], z_norm=how.z_norm, pcen=how.pcen)[0]
            clip = augment.crop(clip, rng, frames=frames)
            inputs[at, : len(clip)], lengths[at] = clip, len(clip)
        inputs = augment.mask(
            inputs,
            rng,
            masks=how.masks,
            fewest=min(1, how.masks),
            frames=how.mask_frames,
            bands=how.mask_bands,
            lengths=lengths,
        )
        return augment.shift(inputs, rng, lengths=lengths) if how.shift else inputs

    def _drawn(
        self, rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], augment.Mixing | None]:
        """Rows of an epoch in drawn order, and which draw of noise is mixed into each, or -1.

        Each row is there once a pass; more often where noise is mixed into it more often.
        """
        how = self._how
        classes = np.tile(self._classes, how.passes)
        n = len(classes)
        rows, mixing_of, mixing = np.arange(n), np.full(n, -1), None
        if self._noise:
            mixing = augment.MIXINGS[how.noise](classes, rng, share=how.noise_share)
            first = np.unique(mixing.rows, return_index=True)[1]
            mixing_of[mixing.rows[first]] = first
            again = np.setdiff1d(np.arange(len(mixing.rows)), first)
            rows = np.concatenate([rows, mixing.rows[again]])
            mixing_of = np.concatenate([mixing_of, again])
        order = rng.permutation(len(rows))
        return rows[order] % len(self._classes), mixing_of[order], mixing

    def _mix(
        self,
        clips: list[FloatArray],
        mixing_of: npt.NDArray[np.intp],
        mixing: augment.Mixing,
        rng: np.random.Generator,
    ) -> None:
        """Mix noise into the clips of a batch that it was drawn for, each another stretch."""
        for at in np.flatnonzero(mixing_of >= 0):
            clips[at] = augment.mix(
                clips[at],
                self._noise[rng.integers(len(self._noise))],
                snr_db=mixing.snr_db[mixing_of[at]],
                of_active=mixing.of_active,
                start=int(rng.integers(FRAMES)),
            )

    def _frames(self, longest: int) -> int:
        """Frames of a batch, as few as are needed."""
        frames = self._how.crop_frames or FRAMES
        return shortest(longest, most=frames) if self._any_length else frames


def inputs_of(rows: FloatArray, *, z_norm: bool, pcen: bool, any_length: bool) -> FloatArray:
    """What a network reads of rows of features as they are, (N, 64000) -> (N, frames, 128)."""
    clips = _clips(rows)
    frames = shortest(max(map(len, clips), default=0)) if any_length else FRAMES
    inputs = np.zeros((len(clips), frames, N_MELS), np.float32)
    for at, clip in enumerate(clips):
        inputs[at, : len(clip)] = normalised(clip[None], z_norm=z_norm, pcen=pcen)[0]
    return inputs


def shortest(longest: int, *, most: int = FRAMES) -> int:
    """Frames that hold the longest of some clips, in steps."""
    return min(most, max(STEP, -(-longest // STEP) * STEP))


def _clips(rows: FloatArray) -> list[FloatArray]:
    """Spectrograms of rows of features, each without the frames after its end."""
    return [clip[: int(is_there(clip).sum())] for clip in as_spectrograms(rows)]


def as_spectrograms(rows: FloatArray) -> FloatArray:
    """Rows of features as spectrograms, (N, 64000) -> (N, 500, 128), of their own memory.

    Raises
    ------
    ParameterError
        The rows are other features.
    """
    if rows.shape[1:] != (FRAMES * N_MELS,):
        raise ParameterError(
            f"backbone: the network reads spectrograms of {FRAMES * N_MELS} values, such as "
            f"logmel_frames gives, not rows of {rows.shape[-1]}"
        )
    return np.array(rows, dtype=np.float32).reshape(-1, FRAMES, N_MELS)
