"""What the model is least sure of: the smallest margin between two classes."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from faunashot.search.strategies.base import IntArray, Pool, Strategy, in_rounds


class Uncertainty(Strategy):
    """Margin sampling, of distinct source recordings first.

    References
    ----------
    T. Scheffer, C. Decomain, S. Wrobel. Active hidden Markov models for information extraction.
    IDA 2001.
    """

    needs_distances: ClassVar[bool] = False

    def choose(self, pool: Pool, n: int, *, rng: np.random.Generator) -> IntArray:
        """The n most uncertain; equal ones in drawn order."""
        drawn = rng.permutation(len(pool))
        ranked = drawn[np.argsort(-pool.uncertainty[drawn], kind="stable")]
        return in_rounds(ranked, pool.groups)[:n]
