"""Feature transforms of a head: named, fitted, one chain for each backbone's part of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

from faunashot.errors import ParameterError

AT_ONCE, WHOLE = 2**12, 2**14
"""Rows that steps are fitted on at a time, where there are more than so many of them."""


class Power(TransformerMixin, BaseEstimator):
    """Tukey's ladder of powers, sign(x) |x|^exponent: evens out skewed activations.

    References
    ----------
    S. Yang, L. Liu, M. Xu. Free lunch for few-shot learning: distribution calibration. ICLR 2021.
    """

    def __init__(self, exponent: float = 0.5) -> None:
        self.exponent = exponent

    def fit(self, X: Any, y: Any = None) -> Power:
        """Nothing to learn."""
        return self

    def transform(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(N, D) -> (N, D)."""
        return np.asarray(np.copysign(np.abs(X) ** self.exponent, X))

    def __sklearn_is_fitted__(self) -> bool:
        return True


class Whiten(TransformerMixin, BaseEstimator):
    """Rotation-free (ZCA) whitening by the covariance shrunk towards a multiple of the identity.

    Parameters
    ----------
    shrinkage : float
        In (0, 1]; at 1 every direction is scaled alike. An embedding has more dimensions
        than a corpus has clips, so the covariance alone cannot be inverted.

    References
    ----------
    O. Ledoit, M. Wolf. A well-conditioned estimator for large-dimensional covariance matrices.
    Journal of Multivariate Analysis 88, 2004.
    """

    def __init__(self, shrinkage: float = 0.9) -> None:
        self.shrinkage = shrinkage

    def fit(self, X: npt.NDArray[Any], y: Any = None) -> Whiten:
        """Learn mean and covariance of the rows."""
        self.mean_ = X.mean(axis=0)
        _, s, self.axes_ = np.linalg.svd(X - self.mean_, full_matrices=False)
        variance = s**2 / len(X)
        floor = self.shrinkage * max(variance.sum() / X.shape[1], np.finfo(np.float64).tiny)
        self.scale_ = 1 / np.sqrt((1 - self.shrinkage) * variance + floor)
        self.rest_ = 1 / np.sqrt(floor)
        return self

    def transform(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(N, D) -> (N, D)."""
        check_is_fitted(self)
        centred = X - self.mean_
        along = centred @ self.axes_.T
        return np.asarray(centred * self.rest_ + (along * (self.scale_ - self.rest_)) @ self.axes_)


STEPS: dict[str, Any] = {
    "power": Power,
    "centre": lambda: StandardScaler(with_std=False),
    "standardise": StandardScaler,
    "whiten": Whiten,
    "unit": Normalizer,
}
"""Makers of the steps by name."""


class Steps(TransformerMixin, BaseEstimator):
    """A chain of steps for each block of columns, its results side by side.

    Parameters
    ----------
    names : sequence of str
        Keys of `STEPS`, in order.
    blocks : sequence of int, optional
        Widths of the blocks, one a backbone; one block of all columns where not given.
    weights : sequence of float, optional
        Factors of the blocks' results; 1 where not given.

    Raises
    ------
    ParameterError
        A step does not exist, or the blocks do not add up to the columns.
    """

    def __init__(
        self,
        names: Sequence[str],
        blocks: Sequence[int] | None = None,
        weights: Sequence[float] | None = None,
    ) -> None:
        self.names = names
        self.blocks = blocks
        self.weights = weights

    def fit(self, X: Any, y: Any = None) -> Steps:
        """Fit every chain on its block of (N, D), an array or what slices and turns into one."""
        for name in self.names:
            if name not in STEPS:
                raise ParameterError.unknown("step of a head", name, STEPS)
        widths = list(self.blocks or [X.shape[1]])
        if sum(widths) != X.shape[1]:
            raise ParameterError(f"blocks {widths} do not add up to {X.shape[1]} columns")
        ends = np.cumsum(widths)
        self.ends_ = [int(end) for end in ends[:-1]]
        fit, rows = _fitted_in_parts, X
        if len(X) <= WHOLE or {*self.names} & _AS_A_WHOLE:
            fit, rows = _fitted, np.asarray(X, dtype=np.float64)
        self.chains_: list[Pipeline | None] = [
            fit(self.names, rows, slice(int(end - width), int(end))) if self.names else None
            for width, end in zip(widths, ends, strict=True)
        ]
        return self

    def transform(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """(N, D) -> (N, D), float64."""
        check_is_fitted(self)
        parts = np.split(np.asarray(X, dtype=np.float64), self.ends_, axis=1)
        weights = self.weights or [1.0] * len(parts)
        return np.hstack(
            [
                weight * (part if chain is None else _through(chain, part))
                for weight, chain, part in zip(weights, self.chains_, parts, strict=True)
            ]
        )


def _through(chain: Pipeline, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What the pipeline makes of rows, without its bookkeeping, which takes longer than a clip."""
    with config_context(skip_parameter_validation=True):
        for _, step in chain.steps:
            rows = step.transform(rows)
    return rows


_AS_A_WHOLE = {"whiten"}
"""Steps that have to see all rows together."""


def _fitted(names: Sequence[str], X: Any, columns: slice) -> Pipeline:
    return make_pipeline(*(STEPS[name]() for name in names)).fit(X[:, columns])


def _fitted_in_parts(names: Sequence[str], X: Any, columns: slice) -> Pipeline:
    """The same, of many rows, which are never in memory together."""
    steps: list[Any] = []
    for name in names:
        step = STEPS[name]()
        learn = getattr(step, "partial_fit", None)
        steps.append(step)
        if learn is None:  # it has nothing to learn
            step.fit(np.asarray(X[:1])[:, columns])
            continue
        for at in gen_batches(len(X), AT_ONCE):
            rows = np.asarray(X[at])[:, columns].astype(np.float64)
            for before in steps[:-1]:
                rows = before.transform(rows)
            learn(rows)
    return make_pipeline(*steps)
