"""What networks learn from: windows with the targets of their clips."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.estimators.examples import Examples

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Windows:
    """Windows with the targets of their clips, one after the other.

    Attributes
    ----------
    X : ndarray, shape (N, dim)
        Features; only rows are read from it, so it may be a memory map.
    target : ndarray, shape (N, C)
        Which classes the clip of each is of, 0 and 1; none where it is of others.
    share : ndarray, shape (N,)
        Weight of each in learning; that of a clip is shared among its windows.
    clip_of : ndarray of int, shape (N,)
        Number of the clip of each; altered copies of a clip count as that clip.
    examples : Examples
        The clips that they are windows of.
    """

    X: FloatArray
    target: FloatArray
    share: npt.NDArray[np.float64]
    clip_of: npt.NDArray[np.intp]
    examples: Examples

    @classmethod
    def of(cls, examples: Examples, classes: Collection[str]) -> Windows:
        """The windows of clips, read now, with targets of `classes`."""
        target = np.zeros((len(examples), len(classes)), np.float32)
        for column, name in enumerate(classes):
            if name in examples.classes:
                target[:, column] = examples.targets[:, examples.classes.index(name)]
        share = examples.coverage
        if examples.clip_weights is not None:
            share = share * examples.clip_weights[examples.clip_of]
        ids = np.repeat(np.asarray(examples.clip_ids), examples.counts)
        clip_of = np.unique(ids, return_inverse=True)[1]
        return cls(examples.windows(), target[examples.clip_of], share, clip_of, examples)

    @property
    def weight(self) -> FloatArray:
        """Weight of each window, shape (N,); their mean is 1."""
        return np.asarray(self.share / self.share.mean(), dtype=np.float32)

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """All of it, to be hashed."""
        return self.X, self.target, self.share, self.clip_of
