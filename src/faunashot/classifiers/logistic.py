"""Multinomial logistic regression, fitted for many small supports at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted, validate_data

FloatArray = npt.NDArray[np.float64]


class Support(NamedTuple):
    """What one head learns from.

    Attributes
    ----------
    X : (N, D) rows.
    y : (N,) labels.
    weight : (N,) of the rows, or None.
    unlabelled : (M, D) rows of the training side whose labels are not known, or None.
    """

    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    weight: npt.NDArray[Any] | None = None
    unlabelled: npt.NDArray[Any] | None = None


class Logistic(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression with an L2 penalty.

    The same objective as scikit-learn's; `fit_stack` fits the heads of many episodes as one
    problem, in the span of their few rows, which is exact and many times faster.

    Parameters
    ----------
    C : inverse strength of the penalty.
    tol : largest entry of the gradient of the summed loss at which fitting stops.
    """

    def __init__(self, C: float = 30.0, tol: float = 1e-3) -> None:
        self.C = C
        self.tol = tol

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: npt.ArrayLike | None = None,
        unlabelled: npt.NDArray[Any] | None = None,
    ) -> Logistic:
        """Fit on rows (N, D)."""
        X, y = validate_data(self, X, y)
        weight = None if sample_weight is None else np.asarray(sample_weight)
        self.fit_stack([self], [Support(X, y, weight, unlabelled)])
        return self

    @classmethod
    def fit_stack(cls, heads: Sequence[Logistic], supports: Sequence[Support]) -> None:
        """Fit every head on its support; all have the settings of the first."""
        prepared = []
        for head, support in zip(heads, supports, strict=True):
            head.classes_, codes = np.unique(support.y, return_inverse=True)
            head.n_features_in_ = support.X.shape[1]
            weight = np.ones(len(codes)) if support.weight is None else support.weight
            plain = Support(np.asarray(support.X, np.float64), codes, weight, support.unlabelled)
            prepared.append(head.extended(plain))
        first = heads[0]
        n_classes = max(len(head.classes_) for head in heads)
        solved = _solve(prepared, n_classes, C=first.C, tol=first.tol)
        for head, (coef, intercept) in zip(heads, solved, strict=True):
            n = len(head.classes_)
            head.coef_, head.intercept_ = coef[:n], intercept[:n]

    def extended(self, support: Support) -> Support:
        """The support that is fitted; labels are codes."""
        return support

    def decision_function(self, X: Any) -> FloatArray:
        """Logits of `classes_`, (N, D) -> (N, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities of `classes_`, (N, D) -> (N, C)."""
        return np.asarray(softmax(self.decision_function(X), axis=1))

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.decision_function(X).argmax(axis=1)])


class Rectified(Logistic):
    """Logistic regression beside class means that unlabelled rows have corrected.

    The mean of k clips is a poor mean of a class. A few steps of soft k-means over the unlabelled
    rows, begun at the class means and with the labelled rows held to their class, move it; the
    moved mean then counts as `weight` further clips of its class. Where k is large it hardly
    matters, where k is 1 it is most of what is known. Without unlabelled rows this is `Logistic`.

    Parameters
    ----------
    weight : clips that a moved mean counts for.
    temperature : cosine that costs a factor of e in the share that a row has in a class.
    steps : of k-means.

    References
    ----------
    M. Ren et al. Meta-learning for semi-supervised few-shot classification. ICLR 2018;
    J. Liu, L. Song, Y. Qin. Prototype rectification for few-shot learning. ECCV 2020.
    """

    def __init__(
        self,
        C: float = 30.0,
        tol: float = 1e-3,
        weight: float = 3.0,
        temperature: float = 0.1,
        steps: int = 5,
    ) -> None:
        super().__init__(C, tol)
        self.weight = weight
        self.temperature = temperature
        self.steps = steps

    def extended(self, support: Support) -> Support:
        """The support, and a row a class: its moved mean."""
        if support.unlabelled is None or not len(support.unlabelled):
            return support
        n = int(support.y.max()) + 1
        held = np.eye(n)[support.y].T
        known, unknown = normalize(support.X), normalize(support.unlabelled)
        own = held @ known
        mean = normalize(own)
        for _ in range(self.steps):
            share = softmax(unknown @ mean.T / self.temperature, axis=1)
            mean = normalize(own + share.T @ unknown)
        scale = np.linalg.norm(support.X, axis=1).mean()
        return Support(
            np.vstack([support.X, mean * scale]),
            np.concatenate([support.y, np.arange(n)]),
            np.concatenate([np.asarray(support.weight), np.full(n, self.weight)]),
        )


def _solve(
    supports: Sequence[Support], n_classes: int, *, C: float, tol: float
) -> list[tuple[FloatArray, FloatArray]]:
    """Coefficients (C, D) and intercepts (C,) of each support, by one run of L-BFGS over all.

    A support of N < D rows is rotated into the N dimensions that it spans. Shorter ones are
    padded with rows of weight 0.
    """
    longest = max(len(s.y) for s in supports)
    turned, axes = [], []
    for support in supports:
        q, r = np.linalg.qr(support.X.T) if len(support.y) < support.X.shape[1] else (None, None)
        axes.append(q)
        turned.append(support.X if r is None else r.T)
    width = max(rows.shape[1] for rows in turned)
    n = len(supports)
    rows = np.zeros((n, longest, width + 1))
    truth = np.zeros((n, longest, n_classes))
    weight = np.zeros((n, longest, 1))
    for at, (support, of) in enumerate(zip(supports, turned, strict=True)):
        rows[at, : len(of), : of.shape[1]] = of
        rows[at, : len(of), -1] = 1
        truth[at, np.arange(len(of)), support.y] = 1
        weight[at, : len(of), 0] = np.asarray(support.weight)
    across = np.ascontiguousarray(rows.transpose(0, 2, 1))

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        coef = flat.reshape(n, width + 1, n_classes)
        logits = rows @ coef
        total = logsumexp(logits, axis=2, keepdims=True)
        loss = (weight * (total - (truth * logits).sum(axis=2, keepdims=True))).sum()
        penalised = coef.copy()
        penalised[:, -1] = 0
        gradient = across @ (weight * (np.exp(logits - total) - truth)) + penalised / C
        return float(loss + (penalised**2).sum() / (2 * C)), gradient.ravel()

    start = np.zeros(n * (width + 1) * n_classes)
    options = {"maxiter": 1000, "gtol": tol, "ftol": 0}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    coef = found.x.reshape(n, width + 1, n_classes)
    return [
        ((c[: rows.shape[1]].T if q is None else (q @ c[: q.shape[1]]).T), c[-1])
        for c, q, rows in zip(coef, axes, turned, strict=True)
    ]
