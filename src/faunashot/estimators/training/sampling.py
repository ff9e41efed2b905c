"""Batches of windows on which classes are equally frequent, and how each is to be augmented."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faunashot.estimators.training.keras_fit import Batch
from faunashot.estimators.training.panns import as_waveforms
from faunashot.estimators.training.windows import Windows

IntArray = npt.NDArray[np.intp]


class Sampling(NamedTuple):
    """How windows are drawn and augmented, see `FromWaveforms.Options`."""

    steps_per_epoch: int
    batch_size: int
    balanced: bool
    mixup: float
    masks: int
    mask_frames: int
    mask_bands: int
    seed: int


class Draws(NamedTuple):
    """What a step reads: waveforms, and how their spectrograms are augmented.

    Attributes
    ----------
    waveform : ndarray, shape (N, samples)
    share : ndarray, shape (N,)
        Of each row's own spectrogram and target where it is mixed with those of the row before.
    frames, bands : ndarray of int, shape (N, masks, 2)
        Where each mask begins, and how wide it is.
    """

    waveform: npt.NDArray[np.float32]
    share: npt.NDArray[np.float32]
    frames: npt.NDArray[np.int32]
    bands: npt.NDArray[np.int32]


class Sampled:
    """Batches of each epoch; what they hold depends on seed and number of the epoch alone.

    Where classes are balanced, they take turns in an order that is drawn, and so do the clips of
    each; clips of none of the classes count as one more. Of a clip's windows one is drawn, the
    likelier the more of the clip it covers.

    Parameters
    ----------
    learn : Windows
        Of all clips; only rows that are drawn are read.
    how : Sampling
    shape : (int, int)
        Frames and bands of a window's spectrogram.

    References
    ----------
    Q. Kong et al. PANNs. IEEE/ACM TASLP 28, 2020: balanced sampling; D. S. Park et al.
    SpecAugment. Interspeech 2019; H. Zhang et al. mixup. ICLR 2018.
    """

    def __init__(self, learn: Windows, how: Sampling, *, shape: tuple[int, int]) -> None:
        self._learn, self._how, self._shape = learn, how, shape
        self._by_clip = np.argsort(learn.clip_of, kind="stable")
        counts = np.bincount(learn.clip_of)
        self._end = np.cumsum(counts)
        self._covered = np.cumsum(learn.share[self._by_clip])
        target = learn.target[self._by_clip[self._end - 1]] > 0
        if how.balanced:
            kinds = [*target.T, ~target.any(axis=1)]
            self._kinds = [np.flatnonzero(kind) for kind in kinds if kind.any()]
        else:
            self._kinds = [np.arange(len(counts))]
        total = np.diff(self._covered[self._end - 1], prepend=0.0)
        self._weight = (total / total.mean()).astype(np.float32)

    def __len__(self) -> int:
        return self._how.steps_per_epoch

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """Batches of an epoch, the first being 1."""
        how = self._how
        rng = np.random.default_rng([how.seed, epoch])
        clips = self._clips(rng)
        rows = self._windows(clips, rng)
        for at in range(0, len(rows), how.batch_size):
            part = slice(at, at + how.batch_size)
            inputs = Draws(as_waveforms(np.asarray(self._learn.X[rows[part]])), *self._drawn(rng))
            yield Batch(inputs, self._learn.target[rows[part]], self._weight[clips[part]])

    def _clips(self, rng: np.random.Generator) -> IntArray:
        """Numbers of the clips of an epoch."""
        n = self._how.steps_per_epoch * self._how.batch_size
        kind_of = _in_turn(np.arange(len(self._kinds)), n, rng)
        clips = np.empty(n, dtype=np.intp)
        for number, kind in enumerate(self._kinds):
            drawn = kind_of == number
            clips[drawn] = _in_turn(kind, int(drawn.sum()), rng)
        return clips

    def _windows(self, clips: IntArray, rng: np.random.Generator) -> IntArray:
        """The row of one window of each of some clips."""
        last = self._end[clips] - 1
        before = np.concatenate([[0.0], self._covered[self._end - 1]])[clips]
        drawn = before + rng.random(len(clips)) * (self._covered[last] - before)
        at = np.minimum(np.searchsorted(self._covered, drawn, "right"), last)
        return np.asarray(self._by_clip[at])

    def _drawn(self, rng: np.random.Generator) -> tuple[Any, ...]:
        how, n = self._how, self._how.batch_size
        share = rng.beta(how.mixup, how.mixup, n) if how.mixup > 0 else np.ones(n)
        stripes = []
        for size, most in zip(self._shape, (how.mask_frames, how.mask_bands), strict=True):
            width = rng.integers(0, min(most, size) + 1, (n, how.masks))
            start = rng.integers(0, size - width + 1)
            stripes.append(np.stack([start, width], axis=-1).astype(np.int32))
        return share.astype(np.float32), *stripes


def _in_turn(values: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """So many of some values, each as often as any other, in drawn order."""
    rounds = -(-n // len(values))
    return rng.permuted(np.tile(values, (rounds, 1)), axis=1).reshape(-1)[:n]
