"""How many detections have to be checked, before any is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, ndtri

from faunashot.detection.validation.drawing import STRATA, allocated, strata_of
from faunashot.errors import ParameterError
from faunashot.evaluation.precision_curve import log_odds

FloatArray = npt.NDArray[np.float64]

MOST = 1_000_000
"""Checks that are never made."""

FEWEST = 10


@dataclass(frozen=True)
class Plan:
    """What so many checks of a class are expected to show.

    Attributes
    ----------
    checks : int
        Detections to check, of which `above` score the threshold or more.
    above : int
    half_width : float
        Of the interval of the precision above the threshold.
    is_all : bool
        Whether there are no more detections than that.
    """

    checks: int
    above: int
    half_width: float
    is_all: bool = False


class Expected:
    """What is expected of the detections of a class: their scores, and how many are right.

    Parameters
    ----------
    precision : float
        Guess of the share of right ones among the detections from `threshold` on, in (0, 1).
    scores : array_like, shape (N,), optional
        Of all detections of the class. Within them the odds of being right are taken to go with
        those of the score. Without them they are taken to be without number, all alike, and all
        above the threshold.
    threshold : float
        From which score on the precision is wanted.
    n_strata : int
        That they are drawn from, see `faunashot.detection.validation.drawing`.
    confidence_level : float
        In (0, 1).

    Raises
    ------
    ParameterError
        No detection scores as much, or a number is out of its range.

    References
    ----------
    Cochran, *Sampling Techniques*, 3rd edition, 1977, chapter 5, for the variance of a stratified
    sample. Wilson, "Probable inference, the law of succession, and statistical inference", JASA
    22, 1927, for the interval, at the sample size that has this variance at random (Kish 1965).
    """

    def __init__(
        self,
        precision: float,
        *,
        scores: npt.ArrayLike | None = None,
        threshold: float = 0.0,
        n_strata: int = STRATA,
        confidence_level: float = 0.95,
    ) -> None:
        if not 0 < precision < 1:
            raise ParameterError(f"expected precision {precision:g}: needs to lie between 0 and 1")
        if not 0 < confidence_level < 1:
            raise ParameterError(f"confidence level {confidence_level:g}: between 0 and 1")
        self.precision = precision
        self._z = float(ndtri((1 + confidence_level) / 2))
        if scores is None:
            self._n = MOST
            self._sizes, self._above = np.array([MOST]), np.array([MOST])
            self._variance = np.array([precision * (1 - precision)])
            return
        every = np.sort(np.asarray(scores, np.float64))
        above = every >= threshold
        if not above.any():
            raise ParameterError(f"threshold {threshold:g}: no detection scores as much")
        odds = log_odds(every)
        shift = brentq(lambda by: expit(odds[above] + by).mean() - precision, -40, 40)
        number = strata_of(every, n_strata)
        n_found = int(number.max()) + 1
        self._n = len(every)
        self._sizes = np.bincount(number, minlength=n_found)
        self._above = np.bincount(number[above], minlength=n_found)
        right = np.bincount(number[above], expit(odds[above] + shift), minlength=n_found)
        chance = right / np.maximum(self._above, 1)
        self._variance = chance * (1 - chance)

    def checks_for(self, half_width: float) -> Plan:
        """The fewest checks after which the interval reaches no further to either side.

        Raises
        ------
        ParameterError
            The half-width is not in (0, 0.5).
        """
        if not 0 < half_width < 0.5:
            raise ParameterError(f"half-width {half_width:g}: needs to lie between 0 and 0.5")
        return self._fewest(lambda n: self._half_width(n) <= half_width)

    def checks_to_show(self, precision: float, *, chance: float = 0.8) -> Plan:
        """The fewest checks after which the interval lies above a precision, with such a chance.

        Raises
        ------
        ParameterError
            No more is expected than what is to be shown.
        """
        if not precision < self.precision:
            raise ParameterError(
                f"a precision of {precision:g} cannot be shown where {self.precision:g} is "
                "expected: expect more, or show less"
            )
        return self._fewest(lambda n: self._lower_end(n, chance) >= precision)

    def of(self, checks: int) -> Plan:
        """What so many checks are expected to show."""
        n = min(checks, self._n)
        taken = allocated(self._sizes, n)
        above = round(float((taken * self._above / self._sizes).sum()))
        return Plan(n, above, self._half_width(n), is_all=n == self._n)

    def _fewest(self, suffices: Callable[[int], bool]) -> Plan:
        low, high = min(FEWEST, self._n), self._n
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if suffices(middle) else (middle + 1, high)
        return self.of(low)

    def _effective(self, n: int) -> float:
        """Checks at random above the threshold that would say as much; infinite if all are."""
        taken = allocated(self._sizes, n)
        share = self._above / self._above.sum()
        checked = np.maximum(taken * self._above / self._sizes, 1e-9)
        left = 1 - taken / self._sizes
        variance = float((share**2 * self._variance / checked * left).sum())
        most = self.precision * (1 - self.precision)
        return most / variance if variance > 0 else np.inf

    def _half_width(self, n: int) -> float:
        low, high = wilson(self.precision, self._effective(n), self._z)
        return (high - low) / 2

    def _lower_end(self, n: int, chance: float) -> float:
        effective = self._effective(n)
        spread = np.sqrt(self.precision * (1 - self.precision) / effective)
        unlucky = max(0.0, self.precision - float(ndtri(chance)) * spread)
        return wilson(unlucky, effective, self._z)[0]


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval of a share of `n`, which may be infinite."""
    if np.isinf(n):
        return share, share
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(middle - half), float(middle + half)
