"""Calibration: is a confidence of 0.8 right in 80 of 100 cases?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError


def reliability(
    confidence: npt.ArrayLike, correct: npt.ArrayLike, *, n_bins: int = 15
) -> pd.DataFrame:
    """Accuracy against confidence, in bins of equal width.

    Parameters
    ----------
    confidence : array_like, shape (N,)
        Probability of the predicted class, in [0, 1].
    correct : array_like, shape (N,)
        Whether the prediction is right, bool or 0 and 1.
    n_bins : int
        Bin m of M holds confidences in ((m - 1) / M, m / M], the first one also 0.

    Returns
    -------
    DataFrame
        One row per bin: ``low, high`` (its edges), ``count``, ``confidence`` (mean) and
        ``accuracy``, both NaN in an empty bin.

    Raises
    ------
    ParameterError
        If there is nothing to score, lengths differ, or a number is out of range.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    if n_bins < 1:
        raise ParameterError(f"n_bins: {n_bins}; needs 1 or more")
    given = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=np.float64)
    if given.ndim != 1 or not given.size or given.shape != right.shape:
        raise ParameterError(f"correct: shape {right.shape} does not fit confidence {given.shape}")
    if not ((given >= 0) & (given <= 1)).all():
        raise ParameterError("confidence: needs numbers from 0 to 1")
    if not np.isin(right, (0, 1)).all():
        raise ParameterError("correct: needs True and False, or 1 and 0")

    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.searchsorted(edges[1:-1], given, side="left")
    count = np.bincount(bins, minlength=n_bins)
    divisor = np.where(count > 0, count, np.nan)
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "count": count,
            "confidence": np.bincount(bins, weights=given, minlength=n_bins) / divisor,
            "accuracy": np.bincount(bins, weights=right, minlength=n_bins) / divisor,
        }
    )


def expected_calibration_error(bins: pd.DataFrame) -> float:
    """Mean gap between accuracy and confidence over bins of equal width, weighted by their clips.

    Parameters
    ----------
    bins : DataFrame
        As `reliability` makes it; the error grows with the number of bins on a small sample.

    Returns
    -------
    float
        In [0, 1]; 0 is calibrated.

    References
    ----------
    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Examples
    --------
    >>> round(expected_calibration_error(reliability([0.9, 0.9], [True, False])), 3)
    0.4
    """
    gap = (bins["accuracy"] - bins["confidence"]).abs().fillna(0.0)
    return float((gap * bins["count"]).sum() / bins["count"].sum())
