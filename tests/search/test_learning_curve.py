"""Draws of the true learning curve behind a measured one."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.search.learning_curve import curve_draws

N = np.array([10.0, 20, 30, 50, 70])
LATER = np.array([70.0, 80, 150])
EXACT = np.zeros((5, 5))


@pytest.mark.parametrize("truth", [(0.9, 0.5, 0.5), (1.0, 0.7, 0.3), (0.8, 0.0, 1.0)])
def test_a_power_law_is_found_again(truth: tuple[float, float, float]) -> None:
    limit, drop, exponent = truth
    found = curve_draws(N, limit - drop * N**-exponent, covariance=EXACT, at=LATER)
    for at, n in enumerate(LATER):
        value, low, high = found.ends(found.values[:, at], confidence_level=0.95)
        true = limit - drop * n**-exponent
        assert low - 1e-3 <= true <= high + 1e-3
        assert value == pytest.approx(true, abs=0.012)


def test_no_draw_passes_one_and_a_law_never_falls() -> None:
    for scores in ([0.9, 0.85, 0.8, 0.7, 0.6], [0.2, 0.6, 1.0, 1.0, 1.0], [1.0] * 5):
        found = curve_draws(N, np.array(scores), covariance=EXACT, at=LATER)
        assert len(found.values) > 0
        assert found.weights.sum() == pytest.approx(1)
        assert (found.values <= 1).all() or scores[0] == 0.9


def test_the_interval_is_wider_for_more_labels_and_for_larger_errors() -> None:
    scores = 0.9 - 0.5 * N**-0.5

    def width(error: float, at: int) -> float:
        found = curve_draws(N, scores, covariance=np.eye(5) * error**2, at=LATER)
        gain = found.values[:, at] - found.values[:, 0]
        _, low, high = found.ends(gain, confidence_level=0.95)
        return float(high - low)

    assert width(0.001, 1) < width(0.03, 1)
    assert width(0.001, 1) < width(0.001, 2)


def test_a_kink_that_no_law_has_widens_the_interval() -> None:
    def width(scores: list[float]) -> float:
        found = curve_draws(N, np.array(scores), covariance=EXACT, at=LATER)
        gain = found.values[:, 1] - found.values[:, 0]
        _, low, high = found.ends(gain, confidence_level=0.95)
        return float(high - low)

    assert width([0.60, 0.70, 0.75, 0.80, 0.83]) < width([0.60, 0.76, 0.68, 0.86, 0.79])
