"""The true learning curve behind a measured one: a power law, and how far it is from that law."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from faunashot.evaluation.labels import FloatArray

EXPONENTS = np.geomspace(0.1, 2.0, 12)
"""Of the power law, each as likely as any other beforehand."""

MISFITS = np.array([0.01, 0.02, 0.04, 0.08, 0.16])
"""Standard deviations of the misfit at the least labels that are tried."""

MISFIT_SCALE = 0.03
"""Of the half-normal prior of the misfit: how far real curves are from a power law."""

MISFIT_LENGTH = 0.5
"""Of the misfit in log labels: it is much the same at 50 and 60 labels, another at 10 and 50."""

LAW_MEAN, LAW_SD = np.array([0.85, 0.2]), 0.3
"""Prior of the limit, and of what is short of it at the least labels."""

DRAWS = 200
"""From each exponent and misfit."""

SCORE_ERROR = 1e-3
"""Least standard error of a measured score, so that a curve without any has no certainty."""


@dataclass(frozen=True)
class CurveDraws:
    """Draws of the true curve, each with its weight.

    Attributes
    ----------
    values : ndarray, shape (D, Q)
        Score of each draw at each number of labels that was asked for.
    limit : ndarray, shape (D,)
        Score that the law of each draw tends to.
    weights : ndarray, shape (D,)
        How likely each is; they add up to 1.
    """

    values: FloatArray
    limit: FloatArray
    weights: FloatArray

    def ends(self, of: FloatArray, *, confidence_level: float) -> FloatArray:
        """Mean of a figure of each draw, and the ends of its interval, shape (3,)."""
        tails = [(1 - confidence_level) / 2, (1 + confidence_level) / 2]
        low, high = np.quantile(of, tails, weights=self.weights, method="inverted_cdf")
        return np.array([of @ self.weights, low, high])


def curve_draws(
    n: FloatArray, scores: FloatArray, *, covariance: FloatArray, at: FloatArray, seed: int = 0
) -> CurveDraws:
    """Draw true curves that a measured curve leaves possible.

    Parameters
    ----------
    n : ndarray, shape (K,)
        Labelled clips, rising.
    scores : ndarray, shape (K,)
        Measured at each, in 0..1.
    covariance : ndarray, shape (K, K)
        Of the errors of the scores, which one sample of recordings makes alike.
    at : ndarray, shape (Q,)
        Labelled clips that the curve is asked for.
    seed : int
        Of the draws.

    Notes
    -----
    The true curve is a - b (n / n_1)^-c (1 + d(n)), with 0 <= b and a <= 1, and no score above 1.
    b d, the misfit, is a Gaussian process of log n (Matern, 3/2) that is as large at n_1 as any of
    `MISFITS`: real curves are no power laws, and shrink as the law does towards its limit. For each
    exponent c and size of the misfit, all else is Gaussian; they are weighted by how likely
    they make the measured scores.

    References
    ----------
    M. C. Kennedy, A. O'Hagan. Bayesian calibration of computer models. Journal of the Royal
    Statistical Society B 63, 2001.
    T. Viering, M. Loog. The shape of learning curves: a review. IEEE Transactions on Pattern
    Analysis and Machine Intelligence 45, 2023.
    """
    rng = np.random.default_rng(seed)
    noise = covariance + SCORE_ERROR**2 * np.eye(len(n))
    drawn, weights = [], []
    for prior, mean, weight in _laws(np.concatenate([n, at]), n[0]):
        inside = prior[: len(n), : len(n)] + noise
        gain = np.linalg.solve(inside, prior[: len(n), len(n) :]).T
        short = scores - mean[: len(n)]
        left = prior[len(n) :, len(n) :] - gain @ prior[: len(n), len(n) :]
        root = np.linalg.cholesky(left + 1e-10 * np.eye(len(left)))
        draws = rng.standard_normal((DRAWS, len(left))) @ root.T
        draws += mean[len(n) :] + gain @ short
        evidence = -0.5 * (short @ np.linalg.solve(inside, short) + np.linalg.slogdet(inside)[1])
        drawn.append(draws)
        weights.append(np.full(DRAWS, evidence + weight))
    every, logs = np.concatenate(drawn), np.concatenate(weights)
    possible = (every[:, -1] >= 0) & (every[:, :-1] <= 1).all(axis=1)
    if not possible.any():  # a curve that falls steeply, without error
        possible = every[:, -1] >= every[:, -1].max()
    every, logs = every[possible], logs[possible]
    likely = np.exp(logs - logs.max())
    return CurveDraws(every[:, :-2], every[:, -2], likely / likely.sum())


def _laws(n: FloatArray, first: float) -> Iterator[tuple[FloatArray, FloatArray, float]]:
    """Prior covariance and mean of the curve, its limit and b, of each exponent and misfit.

    The last is the logarithm of how likely they are beforehand.
    """
    apart = np.abs(np.subtract.outer(np.log(n), np.log(n))) * np.sqrt(3) / MISFIT_LENGTH
    alike = (1 + apart) * np.exp(-apart)
    likely = MISFITS * np.exp(-0.5 * (MISFITS / MISFIT_SCALE) ** 2)  # their steps grow with them
    for exponent in EXPONENTS:
        shrunk = (n / first) ** -exponent
        # rows of the curve, then of a and b themselves
        law = np.vstack([np.stack([np.ones_like(n), -shrunk], axis=1), np.eye(2)])
        of_law = LAW_SD**2 * law @ law.T
        misfit = np.zeros_like(of_law)
        misfit[: len(n), : len(n)] = alike * np.outer(shrunk, shrunk)
        for size, weight in zip(MISFITS, np.log(likely), strict=True):
            yield of_law + size**2 * misfit, law @ LAW_MEAN, float(weight)
