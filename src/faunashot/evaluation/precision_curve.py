"""Precision against score, from detections that a person has checked, with what is left open.

The chance that a detection is right is a logistic curve of the logit of its score (Wood and Kahl
2024), which may leave that form where the checks ask for it: a Gaussian process is added to the
line, of several sizes and widths, each weighted by how well it foretells the checks. Detections
that were not checked are then drawn from the curve, so that the precision is that of the detections
at hand: a class of which all were checked has no interval left.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from faunashot.errors import ParameterError
from faunashot.evaluation.uncertainty import Interval

FloatArray = npt.NDArray[np.float64]

LEAST, MOST = 0.001, 0.999
"""Scores beyond these are taken for these: a network's 1 - 1e-9 says no more than its 0.999."""

INTERCEPT_SD, SLOPE_SD = 3.0, 1.5
"""Of the prior of the line, on the scale of log odds: the first is about as wide as that of
Jeffreys for a proportion, the second for a step of one standard deviation of the scores."""

DEPARTURES = ((0.01, 1.0), (1.0, 1.0), (1.0, 0.4), (2.0, 1.0), (2.0, 0.4))
"""Size, in log odds, and width, in standard deviations of the scores, of departures from the line;
the first is the line alone. All are as likely before the checks."""

KNOTS = 13
PROPOSALS, DRAWS = 8000, 2000
TAIL_DF = 12.0
CELLS, FEW_CELLS = 120, 40
"""Groups of neighbouring scores that detections are counted in: thresholds that are tried, and
where there is but one."""

FEWEST_ABOVE = 5
"""Checked detections that a threshold needs above it: fewer say too little of the precision."""


class _Part(NamedTuple):
    """Draws of the coefficients under one kind of departure."""

    width: float
    coefficients: FloatArray


class PrecisionCurve:
    """Precision by score, after some of the detections of a class were checked.

    The checked ones have to be drawn by score alone: at random, or at random within strata of
    scores, of which each may be drawn more or less often.

    Parameters
    ----------
    scores : array_like, shape (n,)
        Of the checked detections, in 0..1.
    correct : array_like of bool, shape (n,)
        Whether each is right.
    among : array_like, shape (N,)
        Scores of all detections that they were drawn from, the checked ones too.
    confidence_level : float
        Of intervals, in (0, 1).
    seed : int
        Of the draws.

    Raises
    ------
    ParameterError
        Nothing was checked, lengths differ, or a score is not in 0..1 or not among all.

    References
    ----------
    Wood and Kahl, "Guidelines for appropriate use of BirdNET scores and other detector outputs",
    Journal of Ornithology 165, 2024.
    Navine et al., "All thresholds barred: direct estimation of call density in bioacoustic data",
    Frontiers in Bird Science 3, 2024.
    Rasmussen and Williams, *Gaussian Processes for Machine Learning*, 2006, sections 2.7 and 3.4.
    Lancaster, "Significance tests in discrete distributions", JASA 56, 1961.
    Gelman et al., *Bayesian Data Analysis*, 3rd edition, 2013, sections 8.3 and 10.4.
    """

    def __init__(
        self,
        scores: npt.ArrayLike,
        correct: npt.ArrayLike,
        *,
        among: npt.ArrayLike,
        confidence_level: float = 0.95,
        seed: int = 0,
    ) -> None:
        checked, right = np.asarray(scores, np.float64), np.asarray(correct, np.float64)
        every = np.sort(np.asarray(among, np.float64))
        _check(checked, right, every, confidence_level)
        self._tails = [(1 - confidence_level) / 2, (1 + confidence_level) / 2]
        self._seed = seed
        order = np.argsort(checked)
        self._checked, self._right, self._every = checked[order], right[order], every
        x = log_odds(every)
        self._centre, self._spread = float(x.mean()), max(float(x.std()), 0.25)
        lowest, highest = self._z(every[[0, -1]]).tolist()
        self._knots = np.linspace(lowest, highest, KNOTS)
        self._parts = self._posterior(np.random.default_rng(seed))

    def at(self, scores: npt.ArrayLike) -> FloatArray:
        """Chance that a detection of such a score is right: value, low and high, (3, ...)."""
        drawn = self._chances(np.atleast_1d(np.asarray(scores, np.float64)))
        return self._ends(drawn)

    def above(self, threshold: float) -> Interval:
        """Precision of the detections that score `threshold` or more.

        Raises
        ------
        ParameterError
            There are none.
        """
        every = self._every[self._every >= threshold]
        _, right, count = self._from_each(every, cells=FEW_CELLS)
        if not len(count):
            raise ParameterError(f"threshold: no detection scores {threshold:g} or more")
        return Interval.of(self._ends(right[:, :1] / count[0])[:, 0])

    def kept(self, threshold: float) -> Interval:
        """Share of the right detections that score `threshold` or more; 1 where none is right."""
        at = int(np.searchsorted(self._every, threshold))
        kept, lost = (
            right[:, 0] if len(count) else np.zeros(DRAWS)
            for _, right, count in (
                self._from_each(part, cells=FEW_CELLS)
                for part in (self._every[at:], self._every[:at])
            )
        )
        share = np.divide(kept, kept + lost, out=np.ones(DRAWS), where=kept + lost > 0)
        return Interval.of(self._ends(share[:, None])[:, 0])

    def threshold(self, precision: float, *, shown: bool = False) -> Interval | None:
        """The lowest score from which on the detections reach a precision, with its interval.

        Parameters
        ----------
        precision : float
            Wished, in (0, 1).
        shown : bool
            Whether the lower end of the precision's interval has to reach it, not the estimate.

        Returns
        -------
        Interval or None
            None where no threshold with `FEWEST_ABOVE` checks above it does. An end is None where
            the precision may be reached nowhere.
        """
        starts, drawn = self._above_each
        reached = self._ends(drawn)[1 if shown else 0] >= precision
        if not reached.any():
            return None
        of_draw = drawn >= precision
        first = np.where(of_draw.any(axis=1), of_draw.argmax(axis=1), len(starts))
        ends = np.quantile(first, self._tails, method="nearest")
        found = float(starts[reached.argmax()])
        return Interval(found, *(float(starts[n]) if n < len(starts) else None for n in ends))

    def best(self) -> tuple[float, Interval]:
        """The threshold of the highest precision, and that precision."""
        starts, drawn = self._above_each
        ends = self._ends(drawn)
        at = int(ends[0].argmax())
        return float(starts[at]), Interval.of(ends[:, at])

    @cached_property
    def _above_each(self) -> tuple[FloatArray, FloatArray]:
        """Thresholds with enough checks above, ascending, and drawn precisions, (DRAWS, n)."""
        starts, right, count = self._from_each(self._every)
        last = self._checked[max(0, len(self._checked) - FEWEST_ABOVE)]
        n = max(1, int(np.searchsorted(starts, last, side="right")))
        return starts[:n], right[:, :n] / count[:n]

    def _from_each(
        self, every: FloatArray, *, cells: int = CELLS
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Cells of sorted scores: where each starts, and right ones and all from there on up."""
        distinct = np.unique(every)
        if len(distinct) > cells:
            distinct = np.unique(np.quantile(every, np.arange(cells) / cells, method="lower"))
        if not len(distinct):
            return distinct, np.zeros((DRAWS, 0)), np.zeros(0)
        begin = np.searchsorted(every, distinct)
        size = np.diff(begin, append=len(every))
        inside = (self._checked >= distinct[0]) & (self._checked <= every[-1])
        cell = np.searchsorted(distinct, self._checked[inside], side="right") - 1
        known = np.bincount(cell, minlength=len(distinct))
        right = np.bincount(cell, self._right[inside], minlength=len(distinct)).astype(float)
        middle = every[begin + (size - 1) // 2]
        rng = np.random.default_rng([self._seed, 1])
        left = np.maximum(size - known, 0)
        drawn = _from_each_on(np.asarray(rng.binomial(left, self._chances(middle)), np.float64))
        # counts are whole: a count at an end of the interval is held by half (Lancaster's mid-P)
        spread = drawn + rng.uniform(-0.5, 0.5, (DRAWS, 1))
        whole = spread.clip(0, _from_each_on(left.astype(np.float64))) + _from_each_on(right)
        return distinct, whole, _from_each_on(size.astype(np.float64))

    def _chances(self, scores: FloatArray) -> FloatArray:
        z = self._z(scores)
        return np.concatenate(
            [expit(part.coefficients @ self._basis(z, part.width).T) for part in self._parts]
        )

    def _ends(self, drawn: FloatArray) -> FloatArray:
        """Mean and interval of draws along the first axis, (3, ...)."""
        low, high = np.quantile(drawn, self._tails, axis=0)
        return np.stack([drawn.mean(axis=0).clip(low, high), low, high])

    def _z(self, scores: FloatArray) -> FloatArray:
        return np.asarray((log_odds(scores) - self._centre) / self._spread)

    def _basis(self, z: FloatArray, width: float) -> FloatArray:
        """Intercept, slope, and the process at its knots made independent, (n, 2 + KNOTS)."""
        return np.column_stack([np.ones_like(z), z, _process(z, self._knots, width)])

    def _posterior(self, rng: np.random.Generator) -> list[_Part]:
        """Draws of the coefficients: Laplace's approximation, corrected by importance sampling."""
        z, n = self._z(self._checked), PROPOSALS // len(DEPARTURES)
        proposed, log_weight = [], []
        for size, width in DEPARTURES:
            basis = self._basis(z, width)
            variance = np.r_[INTERCEPT_SD**2, SLOPE_SD**2, np.full(KNOTS, size**2)]
            mode, precision = _mode(basis, self._right, variance)
            root = np.linalg.cholesky(precision)
            t = rng.standard_normal((n, len(mode)))
            t /= np.sqrt(rng.chisquare(TAIL_DF, n) / TAIL_DF)[:, None]
            drawn = mode + np.linalg.solve(root.T, t.T).T
            density = np.log(np.diag(root)).sum()
            density -= (TAIL_DF + len(mode)) / 2 * np.log1p(np.square(t).sum(axis=1) / TAIL_DF)
            log_weight.append(_log_posterior(drawn, basis, self._right, variance) - density)
            proposed.append(drawn)
        weights = np.exp(np.concatenate(log_weight) - np.max(log_weight))
        edges = np.cumsum(weights) / weights.sum()
        taken = np.searchsorted(edges, (np.arange(DRAWS) + rng.random()) / DRAWS)
        taken = np.minimum(taken, len(edges) - 1)
        return [
            _Part(width, drawn[taken[taken // n == number] - number * n])
            for number, ((_, width), drawn) in enumerate(zip(DEPARTURES, proposed, strict=True))
        ]


def _check(
    checked: FloatArray, right: FloatArray, every: FloatArray, confidence_level: float
) -> None:
    if not 0 < confidence_level < 1:
        raise ParameterError(f"confidence_level: {confidence_level}; needs to lie between 0 and 1")
    if not len(checked) or checked.shape != right.shape:
        raise ParameterError("scores: needs one for each answer, and one at least")
    for name, of in (("scores", checked), ("among", every)):
        if not ((of >= 0) & (of <= 1)).all():
            raise ParameterError(f"{name}: a score lies outside 0 to 1, or is missing")
    if len(checked) > len(every) or not np.isin(checked, every).all():
        raise ParameterError("among: needs the scores of all detections, the checked ones too")


def log_odds(scores: FloatArray) -> FloatArray:
    """Logit of scores, those beyond `LEAST` and `MOST` taken for these."""
    return np.asarray(logit(np.clip(scores, LEAST, MOST)))


def _from_each_on(counts: FloatArray) -> FloatArray:
    """Sums over a cell and all above it, along the last axis."""
    return np.asarray(counts[..., ::-1].cumsum(axis=-1)[..., ::-1])


def _process(z: FloatArray, knots: FloatArray, width: float) -> FloatArray:
    """A Gaussian process of unit size as coefficients of independent standard normals."""

    def alike(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-np.square((a[:, None] - b) / width) / 2))

    root = np.linalg.cholesky(alike(knots, knots) + 1e-6 * np.eye(len(knots)))
    return np.asarray(np.linalg.solve(root, alike(z, knots).T).T)


def _mode(
    basis: FloatArray, right: FloatArray, variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Most probable coefficients, and the curvature there, by Newton's method."""
    mode = np.zeros(basis.shape[1])
    for _ in range(50):
        chance = expit(basis @ mode)
        slope = basis.T @ (right - chance) - mode / variance
        curvature = (basis * (chance * (1 - chance))[:, None]).T @ basis + np.diag(1 / variance)
        step = np.linalg.solve(curvature, slope)
        largest = np.abs(step).max()
        mode = mode + step * min(1.0, 5 / max(largest, 1e-12))
        if largest < 1e-6:
            break
    return mode, curvature


def _log_posterior(
    drawn: FloatArray, basis: FloatArray, right: FloatArray, variance: FloatArray
) -> FloatArray:
    """Of each of the drawn coefficients, but for a constant that all departures share."""
    odds = drawn @ basis.T
    likelihood = (odds * right - np.logaddexp(0, odds)).sum(axis=1)
    prior = -(np.square(drawn) / variance).sum(axis=1) / 2 - np.log(variance).sum() / 2
    return np.asarray(likelihood + prior)
