"""What the model is unsure of and has not heard the like of: k-centre weighted by uncertainty."""

from __future__ import annotations

import numpy as np

from faunashot.search.strategies.base import (
    IntArray,
    Pool,
    Strategy,
    squared_distances,
    to_nearest,
)


class Both(Strategy):
    """Each time the largest of uncertainty times distance to what is labelled or chosen already.

    References
    ----------
    O. Sener, S. Savarese. Active learning for convolutional neural networks: a core-set approach.
    ICLR 2018, for the centres; the margin as of `Uncertainty`. BADGE (J. T. Ash et
    al., ICLR 2020) did as well on the Animal-Sound-Dataset, see docs/field/SEARCH.md.
    """

    def choose(self, pool: Pool, n: int, *, rng: np.random.Generator) -> IntArray:
        """The n wanted most; where nothing is labelled the first is the most uncertain."""
        uncertainty = pool.uncertainty
        nearest = to_nearest(pool.embeddings, pool.labelled)
        if not len(pool.labelled):
            nearest = np.ones(len(pool))
        chosen: list[int] = []
        for _ in range(n):
            wanted = np.sqrt(nearest) * uncertainty
            wanted[chosen] = -1  # also where the model is sure of all
            at = int(wanted.argmax())
            distances = squared_distances(pool.embeddings, pool.embeddings[at])
            nearest = np.minimum(nearest, distances) if chosen or len(pool.labelled) else distances
            chosen.append(at)
        return np.array(chosen, dtype=np.intp)
