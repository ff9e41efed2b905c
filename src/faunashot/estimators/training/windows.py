"""What networks learn from: windows with the targets of their clips."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.estimators.examples import Examples

FloatArray = npt.NDArray[np.float32]

SOME = 64
"""Windows that stand for all of a corpus that is too large to be hashed."""


class WindowRows:
    """Windows of clips as rows, each of which stays on disk until it is asked for.

    Parameters
    ----------
    examples : Examples
    """

    def __init__(self, examples: Examples) -> None:
        self._windows, self._rows = examples.features.windows, examples.rows
        self.shape = (len(self._rows), examples.features.spec.dim)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Rows by a slice or their numbers, as they are stored."""
        return np.asarray(self._windows[self._rows[key]])

    def some(self) -> npt.NDArray[Any]:
        """Windows evenly apart, the first and the last among them."""
        return self[np.unique(np.linspace(0, len(self) - 1, SOME).astype(int))]


@dataclass(frozen=True)
class Windows:
    """Windows with the targets of their clips, one after the other.

    Attributes
    ----------
    X : ndarray or WindowRows, shape (N, dim)
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

    X: Any
    target: FloatArray
    share: npt.NDArray[np.float64]
    clip_of: npt.NDArray[np.intp]
    examples: Examples

    @classmethod
    def of(cls, examples: Examples, classes: Collection[str], *, read_now: bool = True) -> Windows:
        """The windows of clips with targets of `classes`, read now, or when their rows are."""
        target = np.zeros((len(examples), len(classes)), np.float32)
        for column, name in enumerate(classes):
            if name in examples.classes:
                target[:, column] = examples.targets[:, examples.classes.index(name)]
        share = examples.coverage
        if examples.clip_weights is not None:
            share = share * examples.clip_weights[examples.clip_of]
        ids = np.repeat(np.asarray(examples.clip_ids), examples.counts)
        clip_of = np.unique(ids, return_inverse=True)[1]
        X = examples.windows() if read_now else WindowRows(examples)
        return cls(X, target[examples.clip_of], share, clip_of, examples)

    @property
    def weight(self) -> FloatArray:
        """Weight of each window, shape (N,); their mean is 1."""
        return np.asarray(self.share / self.share.mean(), dtype=np.float32)

    @property
    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """All of it, to be hashed; of windows that are not read yet, some."""
        X = self.X.some() if isinstance(self.X, WindowRows) else self.X
        return X, self.target, self.share, self.clip_of
