"""By chance, which the other strategies have to beat."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from faunashot.search.strategies.base import IntArray, Pool, Strategy, in_rounds


class Random(Strategy):
    """Any, each as likely, of distinct source recordings first."""

    needs_distances: ClassVar[bool] = False

    def choose(self, pool: Pool, n: int, *, rng: np.random.Generator) -> IntArray:
        """Draw n without looking at them."""
        return in_rounds(rng.permutation(len(pool)), pool.groups)[:n]
