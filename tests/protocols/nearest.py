"""Stands for a network: the nearest class mean of windows, with a list of what it was told."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np

from faunashot.estimators.base import Estimator
from faunashot.estimators.examples import Examples, Scores
from faunashot.estimators.pooling import pool


class Nearest(Estimator):
    """An estimator on windows that chooses on validation clips, as networks do."""

    KIND = "from_scratch"
    level = "window"
    uses_validation = True
    least_k = 5
    fits: ClassVar[list[dict[str, Any]]] = []

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def fit(self, train: Examples, *, unlabelled=None, validation=None, context=None) -> Self:
        X, y = train.windows(), train.labels[train.clip_of]
        self.classes_ = np.unique(y)
        self.means = np.stack([X[y == name].mean(axis=0) for name in self.classes_])
        self.number = len(Nearest.fits)
        told = {
            "learned": set(train.clip_ids),
            "held": set() if validation is None else set(validation.clip_ids),
            "backbone": None if context.backbone is None else context.backbone(),
            "noise": context.noise(),
            "checkpoint": context.checkpoint,
            "settings": self.settings,
            "network": self,
        }
        Nearest.fits.append(told)
        context.on_epoch({"epoch": 1 + self.number})
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        closeness = -np.linalg.norm(X[:, None] - self.means, axis=2).astype(np.float64)
        return np.exp(closeness) / np.exp(closeness).sum(axis=1, keepdims=True)

    def predict(self, examples: Examples) -> Scores:
        windows = self.predict_proba(examples.windows())
        return Scores(tuple(self.classes_), windows, pool(windows, examples))

    @classmethod
    def settled(cls, chosen):
        """Nothing: clips are held back all the same."""

    @classmethod
    def standing_for(cls, module: ModuleType) -> type[Self]:
        """A class that the registry takes for the module's own."""
        return type(cls.__name__, (cls,), {"__module__": module.__name__})

    def save(self, folder: Path) -> None:
        folder.mkdir()

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise NotImplementedError
