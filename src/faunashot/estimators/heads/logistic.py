"""Multinomial logistic regression, fitted for many small supports at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted, validate_data

FloatArray = npt.NDArray[np.float64]

_APART = 1e-13
"""Share of the rows' summed squares that is added to that of each, far below `Logistic.tol`."""

_AT_ONCE = 2**17
"""Numbers in the supports that are solved together: what stays in a processor's cache."""

NEVER = -1e9
"""Logit of a class that a head does not have; minus infinity times 0 would be no number."""


class Support(NamedTuple):
    """What one head learns from.

    Attributes
    ----------
    X : (N, D) rows.
    y : (N,) labels.
    weight : (N,) of the rows, or None.
    unlabelled : (M, D) rows of the training side whose labels are not known, or None.
    among : (N,) whether the unlabelled rows may be of a row's class; of any where not given.
    parts : (V, D) parts of the rows, such as windows of a clip whose mean the row is, or None.
    part_of : (V,) the row that each is part of.
    group : (N,) what the rows are recordings of; each of its own where not given.
    blocks : widths of the backbones' parts of a row; one of all columns where not given.
    """

    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    weight: npt.NDArray[Any] | None = None
    unlabelled: npt.NDArray[Any] | None = None
    among: npt.NDArray[np.bool_] | None = None
    parts: npt.NDArray[Any] | None = None
    part_of: npt.NDArray[np.intp] | None = None
    group: npt.NDArray[Any] | None = None
    blocks: Sequence[int] | None = None

    def through(self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> Support:
        """The support with rows, unlabelled ones and parts changed, (N, D) -> (N, E)."""
        spare, parts = (None if of is None else change(of) for of in (self.unlabelled, self.parts))
        return self._replace(X=change(self.X), unlabelled=spare, parts=parts)

    def known(self) -> npt.NDArray[Any]:
        """All rows, labelled or not, (N + M, D)."""
        return self.X if self.unlabelled is None else np.vstack([self.X, self.unlabelled])

    def with_parts(self) -> Support:
        """The parts as further rows, for a half of the weight of the row that they are part of."""
        if self.parts is None or self.part_of is None or not len(self.parts):
            return self
        weight = np.ones(len(self.y)) if self.weight is None else np.asarray(self.weight)
        count = np.bincount(self.part_of, minlength=len(self.y))
        half = np.where(count > 0, weight / 2, weight)
        return Support(
            np.vstack([self.X, self.parts]),
            np.concatenate([self.y, self.y[self.part_of]]),
            np.concatenate([half, (half / np.maximum(count, 1))[self.part_of]]),
        )

    def only(self, kept: npt.NDArray[np.bool_]) -> Support:
        """The support without its parts and the labels of other rows, which join the unlabelled."""
        spare = self.unlabelled
        if spare is not None:
            spare = np.vstack([spare, self.X[~kept]])
        picked = (None if of is None else of[kept] for of in (self.weight, self.among, self.group))
        weight, among, group = picked
        X, y, blocks = self.X[kept], self.y[kept], self.blocks
        return Support(X, y, weight, spare, among, group=group, blocks=blocks)


class Logistic(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression with an L2 penalty.

    The same objective as scikit-learn's; `fit_stack` fits the heads of many episodes as one
    problem, in the span of their few rows, which is exact and many times faster.

    Parameters
    ----------
    C : inverse strength of the penalty.
    tol : largest entry of the gradient of the summed loss at which fitting stops.
    """

    reads_unlabelled = False

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
        return support.with_parts()

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


class PrototypeRectifiedLogistic(Logistic):
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

    reads_unlabelled = True

    def __init__(
        self,
        C: float = 30.0,
        tol: float = 1e-5,
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
            return support.with_parts()
        labels = support.y if support.among is None else support.y[support.among]
        moved = np.unique(labels)
        held = (support.y == moved[:, None]).astype(np.float64)
        known, unknown = _unit(support.X), _unit(support.unlabelled)
        own = held @ known
        mean = _unit(own)
        for _ in range(self.steps):
            share = softmax(unknown @ mean.T / self.temperature, axis=1)
            mean = _unit(own + share.T @ unknown)
        scale = np.linalg.norm(support.X, axis=1).mean()
        rows = support.with_parts()
        return Support(
            np.vstack([rows.X, mean * scale]),
            np.concatenate([rows.y, moved]),
            np.concatenate([np.asarray(rows.weight), np.full(len(moved), self.weight)]),
        )


class _Turned(NamedTuple):
    """A support of N < D rows in the N dimensions that it spans; any other as it is.

    Attributes
    ----------
    rows : (N, N), lower triangular; or (N, D) where it was not turned.
    spanned : (N, D) rows before they were turned, or None.
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


def _unit(rows: FloatArray) -> FloatArray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length == 0, 1, length))


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
