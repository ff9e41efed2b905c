"""What networks learn from: windows with their labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Windows(NamedTuple):
    """Windows with their labels.

    Attributes
    ----------
    X : features, (N, dim); only rows are read from it, so it may be a memory map.
    y : label of each.
    weight : of each in its clip; equal if not given.
    clips : id of the clip of each; every window is a clip of its own if not given.
    """

    X: FloatArray
    y: npt.ArrayLike
    weight: npt.ArrayLike | None = None
    clips: npt.ArrayLike | None = None

    def clip_of(self) -> npt.NDArray[np.intp]:
        """Number of the clip of each window."""
        ids = np.arange(len(self.X)) if self.clips is None else np.asarray(self.clips)
        return np.asarray(np.unique(ids, return_inverse=True)[1])

    def weights(self) -> FloatArray:
        """Weight of each window; their mean is 1."""
        given = np.ones(len(self.X)) if self.weight is None else np.asarray(self.weight, float)
        return np.asarray(given / given.mean(), dtype=np.float32)
