"""Nearest neighbours."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from sklearn.neighbors import KNeighborsClassifier

from faunashot import options
from faunashot.estimators.heads.base import HeadClassifier


class NearestNeighbours(KNeighborsClassifier, HeadClassifier):
    """Nearest neighbours by distance-weighted vote.

    Parameters
    ----------
    neighbours : int
        Clips that vote; fewer where there are fewer to learn from.
    """

    class Options(options.Options):
        """Settings of the head."""

        neighbours: int = Field(5, ge=1)

    def __init__(self, neighbours: int = 5) -> None:
        # Trees win nothing in as many dimensions as an embedding has, and are not stored safely.
        super().__init__(n_neighbors=neighbours, weights="distance", algorithm="brute")
        self.neighbours = neighbours

    def fit(self, X: Any, y: Any) -> NearestNeighbours:
        """Remember the clips."""
        self.n_neighbors = min(self.neighbours, len(X))
        super().fit(X, y)
        return self
