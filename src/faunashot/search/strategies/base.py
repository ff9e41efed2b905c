"""What chooses what to label next, and what it chooses from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

AT_ONCE = 256
"""Points that distances to are taken together."""


@dataclass(frozen=True)
class Pool:
    """Windows or recordings without a label, as a model hears them.

    Attributes
    ----------
    probabilities : ndarray, shape (N, C)
        Of the model's classes; they sum to 1 where not `multi_label`.
    embeddings : ndarray, shape (N, dim)
        Distances between them say how different two sounds are.
    groups : ndarray of str, shape (N,)
        Source recording of each.
    labelled : ndarray, shape (L, dim)
        Embeddings of what has a label already; L may be 0.
    multi_label : bool
        Whether each may be of several classes, or of none.
    """

    probabilities: FloatArray
    embeddings: FloatArray
    groups: npt.NDArray[np.str_]
    labelled: FloatArray
    multi_label: bool = False

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def uncertainty(self) -> FloatArray:
        """How uncertain the model is of each, shape (N,), from 0 (sure) to 1.

        One less the margin between the two most probable classes; where there may be several
        classes, how near the one that is nearest to it is to a probability of one half.
        """
        if self.multi_label:
            return np.asarray((1 - np.abs(2 * self.probabilities - 1)).max(axis=1))
        if self.probabilities.shape[1] < 2:
            return 1 - self.probabilities[:, 0]
        first_two = np.partition(self.probabilities, -2, axis=1)[:, -2:]
        return np.asarray(1 - (first_two[:, 1] - first_two[:, 0]))


class Strategy(ABC):
    """Chooses what to label next; a module of this folder holds one.

    Attributes
    ----------
    needs_distances : bool
        Whether it looks at `Pool.embeddings`.
    """

    needs_distances: ClassVar[bool] = True

    @abstractmethod
    def choose(self, pool: Pool, n: int, *, rng: np.random.Generator) -> IntArray:
        """Choose n of a pool, shape (n,), each once, the most wanted first.

        Parameters
        ----------
        pool : Pool
            Of n or more.
        n : int
        rng : Generator
            Of what is drawn; the same one makes the same choice.
        """


def in_rounds(ranked: IntArray, groups: npt.NDArray[np.str_]) -> IntArray:
    """The same order, but the first of each source recording before the second of any."""
    seen: Counter[str] = Counter()
    rounds = []
    for group in groups[ranked]:
        rounds.append(seen[group])
        seen[group] += 1
    return np.asarray(ranked[np.argsort(rounds, kind="stable")], dtype=np.intp)


def squared_distances(X: FloatArray, to: FloatArray) -> FloatArray:
    """Squared distance of each row to one point, shape (N,)."""
    return np.asarray(((X - to) ** 2).sum(axis=1))


def to_nearest(X: FloatArray, others: FloatArray) -> FloatArray:
    """Squared distance of each row to the nearest of other rows, shape (N,); infinite of none."""
    nearest = np.full(len(X), np.inf)
    lengths = (X**2).sum(axis=1)
    for at in range(0, len(others), AT_ONCE):
        some = others[at : at + AT_ONCE]
        between = lengths[:, None] + (some**2).sum(axis=1) - 2 * X @ some.T
        np.minimum(nearest, between.min(axis=1), out=nearest)
    return np.asarray(np.maximum(nearest, 0.0))
