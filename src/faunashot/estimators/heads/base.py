"""Heads: feature steps and a scikit-learn estimator, behind one contract."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import skops.io
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import normalize
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.heads.logistic import Logistic, PrototypeRectifiedLogistic, Support
from faunashot.estimators.heads.pooled import LogOpinionPool
from faunashot.estimators.heads.steps import Steps

HEADS: dict[str, Any] = {
    "logistic": lambda seed, **s: Logistic(**s),
    "rectified": lambda seed, **s: PrototypeRectifiedLogistic(**s),
    "pooled": lambda seed, **s: LogOpinionPool(**s),
    "prototype": lambda seed, **s: Prototype(**s),
    "knn": lambda seed, **s: NearestNeighbours(**s),
    "linear_svm": lambda seed, **s: LinearSVC(random_state=seed, **s),
    "rbf_svm": lambda seed, **s: SVC(kernel="rbf", **s),
    "mlp": lambda seed, **s: MLPClassifier((128,), random_state=seed, max_iter=1000, **s),
}
"""Makers of the estimators by name; a new head is one line here and a line in systems.yaml."""


BEFORE_WEIGHT = 0.5
"""Weight of the outputs of the head before; at 1 they drown the embedding where k is small."""


def make_head(
    name: str,
    *,
    seed: int = 0,
    steps: Sequence[str] = ("standardise",),
    fit_steps_on: str = "unlabelled",
    blocks: Sequence[int] | None = None,
    **settings: Any,
) -> Head:
    """Make an unfitted head.

    Raises
    ------
    ParameterError
        There is no such head, or it has no such setting.
    """
    if name not in HEADS:
        raise ParameterError.unknown("head", name, HEADS)
    try:
        estimator = HEADS[name](seed, **settings)
    except TypeError as error:
        raise ParameterError(f"head {name}: {error}") from error
    return Head(estimator, steps=steps, fit_steps_on=fit_steps_on, blocks=blocks)


class Head(ClassifierMixin, BaseEstimator):
    """Steps that bring embeddings into shape, then an estimator.

    Parameters
    ----------
    estimator : scikit-learn classifier with ``predict_proba`` or ``decision_function``; the
        softmax of the latter stands for probabilities, which it ranks but does not calibrate.
    steps : names of `faunashot.estimators.heads.steps.STEPS`.
    fit_steps_on : "unlabelled" where all rows of the training side may be used, labelled or not;
        "labelled" for those that are learned from alone.
    blocks : widths of the backbones' parts of a row; each has its own steps.
    before : fitted head, such as one of a source corpus, whose outputs are a further block.

    References
    ----------
    Y. Wang et al. SimpleShot: revisiting nearest-neighbor classification for few-shot learning.
    arXiv:1911.04623, 2019: centring and unit length before any head.
    """

    def __init__(
        self,
        estimator: Any,
        steps: Sequence[str] = ("standardise",),
        fit_steps_on: str = "unlabelled",
        blocks: Sequence[int] | None = None,
        before: Head | None = None,
    ) -> None:
        self.estimator = estimator
        self.steps = steps
        self.fit_steps_on = fit_steps_on
        self.blocks = blocks
        self.before = before

    def fit(
        self,
        X: npt.NDArray[Any],
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        unlabelled: npt.NDArray[Any] | None = None,
    ) -> Head:
        """Fit on rows, (N, dim), recordings of `groups`.

        Raises
        ------
        ParameterError
            There are fewer than two classes, or a step does not exist.
        """
        weight = None if sample_weight is None else np.asarray(sample_weight)
        group = None if groups is None else np.asarray(groups)
        fit_heads([self], [Support(X, np.asarray(y), weight, unlabelled, group=group)])
        return self

    def shaped(self, support: Support, *, steps: Steps | None = None) -> Support:
        """Fit the steps on a support, unless they are given fitted, and put it through them."""
        if len(np.unique(support.y)) < 2:
            raise ParameterError("a head needs clips of at least two classes to learn from")
        self.n_features_in_ = support.X.shape[1]
        blocks, weights = list(self.blocks or [self.n_features_in_]), None
        if self.before is not None:
            weights = [1.0] * len(blocks) + [BEFORE_WEIGHT]
            blocks += [len(self.before.classes_)]
            support = support.through(self._with_before)
        if steps is None:
            within = support.known() if self.fit_steps_on == "unlabelled" else support.X
            steps = Steps(self.steps, blocks, weights).fit(within)
        self.steps_ = steps
        if not getattr(self.estimator, "reads_unlabelled", False):
            support = support._replace(unlabelled=None)  # of a large corpus they are most rows
        return support.through(steps.transform)._replace(blocks=blocks)

    def predict_proba(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Probabilities of `classes_`, (N, dim) -> (N, C), rows sum to 1."""
        check_is_fitted(self)
        shaped = self.steps_.transform(self._with_before(X))
        if hasattr(self.estimator_, "predict_proba"):
            return np.asarray(self.estimator_.predict_proba(shaped), dtype=np.float64)
        margin = self.estimator_.decision_function(shaped)
        if margin.ndim == 1:
            margin = np.stack([-margin, margin], axis=1)
        return np.asarray(softmax(margin, axis=1), dtype=np.float64)

    def predict(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def _with_before(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return X if self.before is None else np.hstack([X, self.before.predict_proba(X)])


def fit_heads(
    heads: Sequence[Head],
    supports: Iterable[Support],
    *,
    alike: Iterable[Hashable] | None = None,
) -> None:
    """Fit heads of equal settings, each on its own support, at once where the estimator can.

    Parameters
    ----------
    supports : one a head; read one by one, so that they need not be in memory together.
    alike : one a head, equal where supports are of the same rows, whichever of them are
        labelled: steps fitted on all rows are then fitted once.
    """
    shaped = _shaped(heads, supports, range(len(heads)) if alike is None else alike)
    fitted = [clone(head.estimator) for head in heads]
    if hasattr(fitted[0], "fit_stack"):
        fitted[0].fit_stack(fitted, shaped)
    else:
        for estimator, support in zip(fitted, shaped, strict=True):
            takes_weight = has_fit_parameter(estimator, "sample_weight")
            known = {} if support.weight is None else {"sample_weight": support.weight}
            estimator.fit(support.X, support.y, **(known if takes_weight else {}))
    for head, estimator in zip(heads, fitted, strict=True):
        head.estimator_, head.classes_ = estimator, estimator.classes_


def _shaped(
    heads: Sequence[Head], supports: Iterable[Support], alike: Iterable[Hashable]
) -> Iterator[Support]:
    """Supports, each put through its head's steps."""
    known: dict[Hashable, Steps] = {}
    for head, support, rows in zip(heads, supports, alike, strict=True):
        shared = known.get(rows) if head.fit_steps_on == "unlabelled" else None
        yield head.shaped(support, steps=shared)
        known[rows] = head.steps_


class Prototype(ClassifierMixin, BaseEstimator):
    """Softmax over the cosine to each class' mean (Snell et al. 2017, in SimpleShot's space).

    Parameters
    ----------
    temperature : difference in cosine that costs a factor of e.

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


class NearestNeighbours(KNeighborsClassifier):
    """Nearest neighbours by distance-weighted vote.

    Parameters
    ----------
    neighbours : clips that vote; fewer where there are fewer to learn from.
    """

    def __init__(self, neighbours: int = 5) -> None:
        # Trees win nothing in as many dimensions as an embedding has, and are not stored safely.
        super().__init__(n_neighbors=neighbours, weights="distance", algorithm="brute")
        self.neighbours = neighbours

    def fit(self, X: Any, y: Any) -> NearestNeighbours:
        """Remember the clips."""
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
    "faunashot.estimators.heads.base.Head",
    "faunashot.estimators.heads.base.Prototype",
    "faunashot.estimators.heads.base.NearestNeighbours",
    "faunashot.estimators.heads.logistic.Logistic",
    "faunashot.estimators.heads.logistic.PrototypeRectifiedLogistic",
    "faunashot.estimators.heads.pooled.LogOpinionPool",
    "faunashot.estimators.heads.steps.Power",
    "faunashot.estimators.heads.steps.Steps",
    "faunashot.estimators.heads.steps.Whiten",
    "faunashot.estimators.class_map.ClassMap",
    "faunashot.estimators.temperature.Tempered",
    "faunashot.estimators.unknown.Novelty",
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
