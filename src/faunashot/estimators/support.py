"""What one head learns from, as arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Support(NamedTuple):
    """What one head learns from.

    Attributes
    ----------
    X : ndarray, shape (N, D)
        Rows.
    y : ndarray, shape (N,)
        Label of each row.
    weight : ndarray, shape (N,), optional
        Weight of each row.
    unlabelled : array-like, shape (M, D), optional
        Rows of the training side whose labels are not known.
    among : ndarray of bool, shape (N,), optional
        Whether the unlabelled rows may be of a row's class; of any where not given.
    windows : ndarray, shape (V, D), optional
        Windows of clips whose mean a row is.
    window_of : ndarray of int, shape (V,), optional
        The row that each of `windows` is part of.
    group : ndarray, shape (N,), optional
        What the rows are recordings of; each of its own where not given.
    blocks : sequence of int, optional
        Widths of the backbones' parts of a row; one of all columns where not given.
    """

    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    weight: npt.NDArray[Any] | None = None
    unlabelled: Any = None
    among: npt.NDArray[np.bool_] | None = None
    windows: npt.NDArray[Any] | None = None
    window_of: npt.NDArray[np.intp] | None = None
    group: npt.NDArray[Any] | None = None
    blocks: Sequence[int] | None = None

    def through(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Support:
        """The support with rows, unlabelled ones and windows changed, (N, D) -> (N, E)."""
        spare, windows = (
            None if of is None else change(np.asarray(of)) for of in (self.unlabelled, self.windows)
        )
        return self._replace(X=change(self.X), unlabelled=spare, windows=windows)

    def known(self) -> npt.NDArray[Any]:
        """All rows, labelled or not, (N + M, D)."""
        return self.X if self.unlabelled is None else np.vstack([self.X, self.unlabelled])

    def with_windows(self) -> Support:
        """The windows as further rows, for a half of the weight of their own row."""
        if self.windows is None or self.window_of is None or not len(self.windows):
            return self
        weight = np.ones(len(self.y)) if self.weight is None else np.asarray(self.weight)
        count = np.bincount(self.window_of, minlength=len(self.y))
        half = np.where(count > 0, weight / 2, weight)
        return Support(
            np.vstack([self.X, self.windows]),
            np.concatenate([self.y, self.y[self.window_of]]),
            np.concatenate([half, (half / np.maximum(count, 1))[self.window_of]]),
        )

    def only(self, kept: npt.NDArray[np.bool_]) -> Support:
        """The support without its windows; rows other than these lose their labels."""
        spare = self.unlabelled
        if spare is not None:
            spare = np.vstack([spare, self.X[~kept]])
        picked = (None if of is None else of[kept] for of in (self.weight, self.among, self.group))
        weight, among, group = picked
        X, y, blocks = self.X[kept], self.y[kept], self.blocks
        return Support(X, y, weight, spare, among, group=group, blocks=blocks)
