"""Precision by score: what is known of few checks, of many, and of all."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from faunashot.errors import ParameterError
from faunashot.evaluation.precision_curve import PrecisionCurve


@pytest.fixture(scope="module")
def detections() -> tuple[np.ndarray, np.ndarray]:
    """Scores of detections, and whether each is right."""
    rng = np.random.default_rng(3)
    odds = rng.normal(0, 1.5, 2000)
    return expit(odds), rng.random(2000) < expit(1.5 * odds - 0.5)


@pytest.fixture(scope="module")
def checked(detections) -> PrecisionCurve:
    scores, right = detections
    drawn = np.random.default_rng(4).choice(len(scores), 100, replace=False)
    return PrecisionCurve(scores[drawn], right[drawn], among=scores)


def test_precision_rises_with_the_score_and_the_truth_lies_inside(checked, detections):
    scores, right = detections
    for threshold in (0.0, 0.5, 0.8):
        found = checked.above(threshold)
        assert found.low <= right[scores >= threshold].mean() <= found.high
    value, low, high = checked.at([0.1, 0.5, 0.9])
    assert (np.diff(value) > 0).all()
    assert ((low < value) & (value < high)).all()
    kept = checked.kept(0.5)
    assert kept.low <= right[scores >= 0.5].sum() / right.sum() <= kept.high
    assert checked.kept(0.0).value == 1


def test_a_threshold_is_where_the_precision_is_reached(checked, detections):
    scores, right = detections
    found, sure = checked.threshold(0.7), checked.threshold(0.6, shown=True)
    assert checked.above(found.value).value == pytest.approx(0.7, abs=0.03)
    assert checked.above(sure.value).low >= 0.57
    true = next(s for s in np.sort(scores) if right[scores >= s].mean() >= 0.7)
    assert found.low <= true <= (found.high or 1)
    assert checked.threshold(0.9999) is None
    score, best = checked.best()
    assert best.value > 0.8
    assert checked.above(score).value == pytest.approx(best.value, abs=0.02)


def test_where_all_are_checked_nothing_is_left_open(detections):
    scores, right = (of[:50] for of in detections)
    curve = PrecisionCurve(scores, right, among=scores)
    found = curve.above(0.5)
    assert found.low == pytest.approx(right[scores >= 0.5].mean()) == found.high


def test_few_checks_that_all_agree_do_not_claim_certainty():
    scores = np.linspace(0.5, 0.99, 300)
    found = PrecisionCurve(scores[::30], np.ones(10), among=scores).above(0.5)
    assert 0.9 < found.value < 1
    assert 0.6 < found.low < 0.9
    one = PrecisionCurve(scores[:1], [True], among=scores).above(0.5)
    assert one.low < 0.3


def test_scores_of_zero_one_and_one_score_for_all():
    curve = PrecisionCurve([0, 1, 1], [0, 1, 1], among=[0, 0, 0, 1, 1, 1])
    assert curve.above(1).value > curve.above(0).value
    alike = PrecisionCurve([0.7, 0.7], [0, 1], among=[0.7] * 9)
    assert alike.above(0.7).low < 0.5 < alike.above(0.7).high


@pytest.mark.parametrize(
    ("scores", "right", "among", "said"),
    [
        ([], [], [0.5], "one at least"),
        ([0.5], [1, 0], [0.5], "one for each"),
        ([1.5], [1], [1.5], "outside 0 to 1"),
        ([np.nan], [1], [0.5], "outside 0 to 1"),
        ([0.5], [1], [0.4], "among"),
    ],
)
def test_what_is_no_check_is_one_line(scores, right, among, said):
    with pytest.raises(ParameterError, match=said):
        PrecisionCurve(scores, right, among=among)


def test_a_threshold_that_nothing_reaches_is_one_line(checked):
    with pytest.raises(ParameterError, match="no detection scores 1 or more"):
        checked.above(1)


def test_the_same_seed_says_the_same(detections):
    scores, right = detections
    twice = [PrecisionCurve(scores[:30], right[:30], among=scores).above(0.5) for _ in range(2)]
    assert twice[0] == twice[1]
