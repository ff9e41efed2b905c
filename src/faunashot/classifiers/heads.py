"""Heads: scikit-learn estimators on standardised embeddings, behind one contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import skops.io
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from faunashot.errors import ParameterError, StoreError

HEADS: dict[str, Any] = {
    "logistic": lambda seed, **s: LogisticRegression(max_iter=5000, **s),
    "prototype": lambda seed, **s: Prototype(**s),
    "knn": lambda seed, **s: NearestNeighbours(**s),
    "linear_svm": lambda seed, **s: LinearSVC(random_state=seed, **s),
    "rbf_svm": lambda seed, **s: SVC(kernel="rbf", **s),
    "mlp": lambda seed, **s: MLPClassifier((128,), random_state=seed, max_iter=1000, **s),
}
"""Makers of the estimators by name; a new head is one line here and a line in systems.yaml."""


def make_head(name: str, *, seed: int = 0, **settings: Any) -> Head:
    """Make an unfitted head.

    Raises
    ------
    ParameterError
        There is no such head, or it has no such setting.
    """
    if name not in HEADS:
        raise ParameterError.unknown("head", name, HEADS)
    try:
        return Head(HEADS[name](seed, **settings))
    except TypeError as error:
        raise ParameterError(f"head {name}: {error}") from error


class Head(ClassifierMixin, BaseEstimator):
    """Standardisation fitted on the training windows alone, then an estimator.

    Parameters
    ----------
    estimator : scikit-learn classifier with ``predict_proba`` or ``decision_function``; the
        softmax of the latter stands for probabilities, which it ranks but does not calibrate.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(
        self,
        X: npt.NDArray[Any],
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
    ) -> Head:
        """Fit on windows, (N, dim); `groups` is part of the contract and not used.

        Raises
        ------
        ParameterError
            There are fewer than two classes.
        """
        if len(np.unique(np.asarray(y))) < 2:
            raise ParameterError("a head needs clips of at least two classes to learn from")
        self.scaler_ = StandardScaler().fit(X)
        self.estimator_ = clone(self.estimator)
        weight = {"sample_weight": sample_weight}
        if sample_weight is None or not has_fit_parameter(self.estimator_, "sample_weight"):
            weight = {}
        self.estimator_.fit(self.scaler_.transform(X), y, **weight)
        self.classes_ = self.estimator_.classes_
        self.n_features_in_ = X.shape[1]
        return self

    def predict_proba(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Probabilities of `classes_`, (N, dim) -> (N, C), rows sum to 1."""
        check_is_fitted(self)
        scaled = self.scaler_.transform(X)
        if hasattr(self.estimator_, "predict_proba"):
            return np.asarray(self.estimator_.predict_proba(scaled), dtype=np.float64)
        margin = self.estimator_.decision_function(scaled)
        if margin.ndim == 1:
            margin = np.stack([-margin, margin], axis=1)
        return np.asarray(softmax(margin, axis=1), dtype=np.float64)

    def predict(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class Prototype(ClassifierMixin, BaseEstimator):
    """Softmax over the squared distance to each class' mean, per dimension (Snell et al. 2017).

    Parameters
    ----------
    temperature : squared distance per dimension that costs a factor of e.

    References
    ----------
    J. Snell, K. Swersky, R. Zemel. Prototypical networks for few-shot learning. NeurIPS 2017.
    """

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
        self.prototypes_ = (share @ X) / share.sum(axis=1, keepdims=True)
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Probabilities of `classes_`, (N, dim) -> (N, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        distance = pairwise_distances(X, self.prototypes_, metric="sqeuclidean") / X.shape[1]
        return np.asarray(softmax(-distance / self.temperature, axis=1))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class of the nearest prototype."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


class NearestNeighbours(KNeighborsClassifier):
    """Nearest neighbours by distance-weighted vote.

    Parameters
    ----------
    neighbours : windows that vote; fewer where there are fewer to learn from.
    """

    def __init__(self, neighbours: int = 5) -> None:
        # Trees win nothing in as many dimensions as an embedding has, and are not stored safely.
        super().__init__(n_neighbors=neighbours, weights="distance", algorithm="brute")
        self.neighbours = neighbours

    def fit(self, X: Any, y: Any) -> NearestNeighbours:
        """Remember the windows."""
        self.n_neighbors = min(self.neighbours, len(X))
        super().fit(X, y)
        return self


def scores_of(head: Any, X: npt.NDArray[Any], classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Scores of `classes` from a fitted head, (N, dim) -> (N, len(classes)).

    Where the head has learned other classes, those are left out and the rest made to sum to 1; a
    class that it has not learned scores 0.
    """
    scores = np.asarray(head.predict_proba(X), dtype=np.float64)
    have = [str(name) for name in head.classes_]
    if have == list(classes):
        return scores
    picked = np.zeros((len(scores), len(classes)))
    for column, name in enumerate(classes):
        if name in have:
            picked[:, column] = scores[:, have.index(name)]
    total = picked.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(picked, total, out=picked, where=total > 0))


TRUSTED = [
    "faunashot.classifiers.heads.Head",
    "faunashot.classifiers.heads.Prototype",
    "faunashot.classifiers.heads.NearestNeighbours",
    "faunashot.classifiers.class_map.ClassMap",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
]
"""Types that a stored head may hold beside those that skops trusts by itself."""


def save_head(head: Any, file: Path) -> None:
    """Store a fitted head without pickle."""
    skops.io.dump(head, file)


def load_head(file: Path) -> Any:
    """Load a head that `save_head` stored.

    Raises
    ------
    StoreError
        The file is not a head, or holds types that a head has no use for.
    """
    try:
        strange = set(skops.io.get_untrusted_types(file=file)) - set(TRUSTED)
        if strange:
            raise StoreError(f"{file} holds types that are not trusted: {', '.join(strange)}")
        return skops.io.load(file, trusted=TRUSTED)
    except StoreError:
        raise
    except Exception as error:  # whatever zipfile and skops raise for a file that is not a head
        raise StoreError(f"{file} is not a stored head ({type(error).__name__})") from error
