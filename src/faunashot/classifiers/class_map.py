"""Outputs of one set of classes read as another set, by a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin


class ClassMap(ClassifierMixin, BaseEstimator):
    """Score of a target class: the mean or the maximum of the source outputs mapped to it.

    Scores are not normalised per window: a window in which nothing is heard should not weigh as
    much as a call.

    Parameters
    ----------
    classes : target classes.
    columns : for each, the source outputs mapped to it; none for an unmapped class, scored 0.
    pool : "mean" where outputs are names of one thing, so that a class with many names is not
        favoured for it; "max" where they are kinds of it, of which one is heard at a time.
    head : fitted head that yields the source outputs from embeddings; None where X holds them.
    """

    def __init__(
        self,
        classes: Sequence[str],
        columns: Sequence[Sequence[int]],
        *,
        pool: str = "mean",
        head: Any = None,
    ) -> None:
        self.classes = classes
        self.columns = columns
        self.pool = pool
        self.head = head

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Target classes."""
        return np.asarray(self.classes)

    def predict_proba(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Scores of the target classes in [0, 1], (N, ·) -> (N, C); rows need not sum to 1."""
        outputs = np.asarray(X if self.head is None else self.head.predict_proba(X))
        scores = np.zeros((len(outputs), len(self.classes)))
        for at, columns in enumerate(self.columns):
            if len(columns):
                mapped = outputs[:, list(columns)]
                scores[:, at] = mapped.max(axis=1) if self.pool == "max" else mapped.mean(axis=1)
        return scores
