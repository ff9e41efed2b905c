"""The nearest class mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import softmax
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted, validate_data

from faunashot import options
from faunashot.estimators.heads.base import HeadClassifier


class Prototype(HeadClassifier):
    """Softmax over the cosine to each class' mean (Snell et al. 2017, in SimpleShot's space).

    Parameters
    ----------
    temperature : float
        Difference in cosine that costs a factor of e.

    References
    ----------
    J. Snell, K. Swersky, R. Zemel. Prototypical networks for few-shot learning. NeurIPS 2017.
    """

    class Options(options.Options):
        """Settings of the head."""

        temperature: float = Field(0.1, gt=0)

    def __init__(self, temperature: float = 0.1) -> None:
        self.temperature = temperature

    def fit(
        self, X: Any, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Prototype:
        """Take the weighted mean of each class."""
        X, y = validate_data(self, X, y)
        weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight)
        self.classes_, of = np.unique(y, return_inverse=True)
        share = np.zeros((len(self.classes_), len(X)))
        share[of, np.arange(len(X))] = weight
        self.prototypes_ = normalize(share @ X)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities of `classes_`, (N, dim) -> (N, C)."""
        check_is_fitted(self)
        cosine = normalize(validate_data(self, X, reset=False)) @ self.prototypes_.T
        return np.asarray(softmax(cosine / self.temperature, axis=1))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class of the nearest prototype."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])
