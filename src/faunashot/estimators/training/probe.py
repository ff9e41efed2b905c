"""The classifier that fine-tuning starts with: a logistic regression on standardised embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from faunashot.estimators.training.windows import Windows

FAINT = 1e-6
"""Spread of a dimension of embeddings, of the largest, below which it is rounding: made as wide as
the others it would drown them once the network is trained."""


def standardising(embeddings: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[Any]]:
    """Statistics of the layer ``standard`` that standardise embeddings, shape (N, dim)."""
    scaler = StandardScaler().fit(embeddings)
    scale = np.where(scaler.scale_ < FAINT * scaler.scale_.max(), 1.0, scaler.scale_)
    return {"standard/moving_mean": scaler.mean_, "standard/moving_variance": scale**2}


def linear_probe(
    embeddings: npt.NDArray[np.float32], learn: Windows, *, C: float, multi_label: bool
) -> dict[str, npt.NDArray[Any]]:
    """The whole classifier: those statistics, and the logistic regression under them.

    Parameters
    ----------
    embeddings : ndarray, shape (N, dim)
        Of the windows of `learn`.
    learn : Windows
    C : float
        Of the regression.
    multi_label : bool
        Whether clips carry several labels: then there is a regression a class.
    """
    standard = standardising(embeddings)
    mean, variance = standard.values()
    kernel, bias = _regression((embeddings - mean) / np.sqrt(variance), learn, C, multi_label)
    return {**standard, "logits/kernel": kernel.T, "logits/bias": bias}


def _regression(
    X: npt.NDArray[Any], learn: Windows, C: float, multi_label: bool
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Weights, shape (C, dim), and biases, shape (C,)."""
    probe = LogisticRegression(C=C, tol=1e-3, max_iter=5000)
    n_classes = learn.target.shape[1]
    if multi_label:
        kernel, bias = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
        for at, target in enumerate(learn.target.T):
            if target.all():  # no clip is without it
                bias[at] = np.log(2 * len(target) + 1)
            else:
                probe.fit(X, target, sample_weight=learn.share)
                kernel[at], bias[at] = probe.coef_[0], probe.intercept_[0]
        return kernel, bias
    probe.fit(X, learn.target.argmax(axis=1), sample_weight=learn.share)
    kernel, bias = probe.coef_, probe.intercept_
    if len(kernel) == 1:  # two classes share one plane
        kernel, bias = np.stack([-kernel[0], kernel[0]]) / 2, np.stack([-bias[0], bias[0]]) / 2
    return kernel, bias
