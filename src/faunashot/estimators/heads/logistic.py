"""Multinomial logistic regression, fitted for many small supports at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

from faunashot import options
from faunashot.estimators.heads.base import HeadClassifier
from faunashot.estimators.support import Support

FloatArray = npt.NDArray[np.float64]

_APART = 1e-13
"""Share of the rows' summed squares that is added to that of each, far below `Logistic.tol`."""

_AT_ONCE = 2**17
"""Numbers in the supports that are solved together: what stays in a processor's cache."""

_LARGE, _REMEMBERED = 1000, 100
"""Columns from which on an iteration costs so much that it pays to remember more of those before it
than L-BFGS does by itself: a third of the iterations do where features are much alike."""

NEVER = -1e9
"""Logit of a class that a head does not have; minus infinity times 0 would be no number."""


class Logistic(HeadClassifier):
    """Multinomial logistic regression with an L2 penalty.

    The same objective as scikit-learn's; `fit_stack` fits the heads of many episodes as one
    problem, in the span of their few rows, which is exact and many times faster.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    tol : float
        Largest entry of the gradient of the summed loss at which fitting stops.
    """

    class Options(options.Options):
        """Settings of the head."""

        C: float = Field(30.0, gt=0)
        tol: float = Field(1e-5, gt=0)

    def __init__(self, C: float = 30.0, tol: float = 1e-5) -> None:
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
    def fit_stack(cls, heads: Sequence[Logistic], supports: Iterable[Support]) -> None:
        """Fit every head on its support; all have the settings of the first."""
        turned = []
        for head, support in zip(heads, supports, strict=True):
            head.classes_, codes = np.unique(support.y, return_inverse=True)
            head.n_features_in_ = support.X.shape[1]
            weight = np.ones(len(codes)) if support.weight is None else support.weight
            plain = support._replace(X=np.asarray(support.X, np.float64), y=codes, weight=weight)
            turned.append(_turned(head.extended(plain)))
        first = heads[0]
        n_classes = max(len(head.classes_) for head in heads)
        largest = max(of.rows.size for of in turned)
        solved = [
            of
            for some in gen_batches(len(turned), max(1, _AT_ONCE // largest))
            for of in _solve(turned[some], n_classes, C=first.C, tol=first.tol)
        ]
        for head, (coef, intercept) in zip(heads, solved, strict=True):
            n = len(head.classes_)
            head.coef_, head.intercept_ = coef[:n], intercept[:n]

    def extended(self, support: Support) -> Support:
        """The support that is fitted; labels are codes."""
        return support.with_windows()

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


class _Turned(NamedTuple):
    """A support of N < D rows in the N dimensions that it spans; any other as it is.

    Attributes
    ----------
    rows : ndarray, shape (N, N)
        Lower triangular; or (N, D) where it was not turned.
    spanned : ndarray, shape (N, D), optional
        Rows before they were turned, or None.
    """

    rows: FloatArray
    y: npt.NDArray[np.intp]
    weight: FloatArray
    spanned: FloatArray | None


def _turned(support: Support) -> _Turned:
    rows, spanned = np.asarray(support.X), None
    if len(support.y) < rows.shape[1]:
        # several times faster than QR; what is added lets rows be copies of one another
        products = rows @ rows.T
        products[np.diag_indices_from(products)] += _APART * (products.trace() or 1.0)
        # a copy: rows may be a view that keeps the unlabelled ones in memory
        rows, spanned = cholesky(products, lower=True), rows.copy()
    return _Turned(rows, support.y, np.asarray(support.weight), spanned)


def _solve(
    supports: Sequence[_Turned], n_classes: int, *, C: float, tol: float
) -> list[tuple[FloatArray, FloatArray]]:
    """Coefficients (C, D) and intercepts (C,) of each support, by one run of L-BFGS over all.

    Shorter supports are padded with rows of weight 0.
    """
    longest = max(len(support.y) for support in supports)
    width = max(support.rows.shape[1] for support in supports)
    n = len(supports)
    rows = np.zeros((n, longest, width + 1))
    truth = np.zeros((n, longest, n_classes))
    weight = np.zeros((n, longest, 1))
    absent = np.zeros((n, 1, n_classes))
    for at, (of, y, of_rows, _) in enumerate(supports):
        rows[at, : len(of), : of.shape[1]] = of
        rows[at, : len(of), -1] = 1
        truth[at, np.arange(len(of)), y] = 1
        weight[at, : len(of), 0] = of_rows
        absent[at, :, y.max() + 1 :] = NEVER
    across = np.ascontiguousarray(rows.transpose(0, 2, 1))

    def objective(flat: FloatArray) -> tuple[float, FloatArray]:
        coef = flat.reshape(n, width + 1, n_classes)
        logits = rows @ coef + absent
        highest = logits.max(axis=2, keepdims=True)
        share = np.exp(logits - highest)  # by hand: scipy's logsumexp is a third of the time
        total = share.sum(axis=2, keepdims=True)
        share /= total
        unlikely = highest + np.log(total) - (truth * logits).sum(axis=2, keepdims=True)
        penalised = coef.copy()
        penalised[:, -1] = 0
        gradient = across @ (weight * (share - truth)) + penalised / C
        loss = (weight * unlikely).sum() + (penalised**2).sum() / (2 * C)
        return float(loss), gradient.ravel()

    start = np.zeros(n * (width + 1) * n_classes)
    options = {"maxiter": 1000, "gtol": tol, "ftol": 0}
    if n == 1 and width >= _LARGE:
        options["maxcor"] = _REMEMBERED
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    coef = found.x.reshape(n, width + 1, n_classes)
    solved = []
    for of, support in zip(coef, supports, strict=True):
        inner = of[: support.rows.shape[1]]
        if support.spanned is not None:
            of_rows = solve_triangular(support.rows, inner, lower=True, trans="T")
            inner = support.spanned.T @ of_rows
        solved.append((inner.T, of[-1]))
    return solved
