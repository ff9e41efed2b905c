"""What sounds least like all that has a label: greedy k-centre, whose result is a core-set."""

from __future__ import annotations

import numpy as np

from faunashot.search.strategies.base import (
    IntArray,
    Pool,
    Strategy,
    squared_distances,
    to_nearest,
)


class Diversity(Strategy):
    """Each time the one that is farthest from those that are labelled or chosen already.

    References
    ----------
    O. Sener, S. Savarese. Active learning for convolutional neural networks: a core-set approach.
    ICLR 2018.
    """

    def choose(self, pool: Pool, n: int, *, rng: np.random.Generator) -> IntArray:
        """The n centres; where nothing is labelled the first is drawn."""
        nearest = to_nearest(pool.embeddings, pool.labelled)
        chosen: list[int] = []
        for _ in range(n):
            at = int(nearest.argmax()) if np.isfinite(nearest[0]) else int(rng.integers(len(pool)))
            chosen.append(at)
            nearest = np.minimum(nearest, squared_distances(pool.embeddings, pool.embeddings[at]))
            nearest[chosen] = -1  # also where it sounds just like another
        return np.array(chosen, dtype=np.intp)
