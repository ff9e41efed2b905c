"""The calibration error of samples whose calibration is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.errors import ParameterError
from faunashot.evaluation.calibration import expected_calibration_error, reliability


def test_a_calibrated_sample_has_next_to_no_error():
    rng = np.random.default_rng(0)
    confidence = rng.random(100_000)

    assert (
        expected_calibration_error(reliability(confidence, rng.random(100_000) < confidence)) < 0.01
    )


@pytest.mark.parametrize("n_bins", [1, 10, 15])
def test_constant_overconfidence_is_the_gap(n_bins):
    correct = [True] * 6 + [False] * 4

    assert expected_calibration_error(
        reliability([0.95] * 10, correct, n_bins=n_bins)
    ) == pytest.approx(0.35)


def test_error_by_hand():
    # (0, 0.5]: confidence 0.3, accuracy 0.5; (0.5, 1]: confidence 0.8, accuracy 1
    bins = reliability([0.2, 0.4, 0.7, 0.8, 0.9], [0, 1, 1, 1, 1], n_bins=2)
    error = expected_calibration_error(bins)

    assert error == pytest.approx(2 / 5 * 0.2 + 3 / 5 * 0.2)


def test_a_bin_holds_its_upper_edge_and_the_first_one_nought():
    table = reliability([0.0, 0.5, 0.5 + 1e-12, 1.0], [0, 1, 1, 1], n_bins=4)

    assert table["count"].tolist() == [1, 1, 1, 1]
    assert table["low"].tolist() == [0, 0.25, 0.5, 0.75]
    assert table["high"].tolist() == [0.25, 0.5, 0.75, 1]
    assert table["accuracy"].tolist() == [0, 1, 1, 1]


def test_an_empty_bin_has_no_accuracy_and_no_say():
    table = reliability([0.9, 1.0], [1, 1], n_bins=10)

    assert table["accuracy"].isna().sum() == 8
    assert expected_calibration_error(table) == pytest.approx(0.05)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50),
    st.integers(1, 30),
)
def test_bins_hold_every_clip_once_and_the_error_is_a_share(pairs, n_bins):
    confidence, correct = zip(*pairs, strict=True)

    table = reliability(confidence, correct, n_bins=n_bins)
    error = expected_calibration_error(table)

    filled = table[table["count"] > 0]
    assert len(table) == n_bins
    assert table["count"].sum() == len(pairs)
    assert (filled["confidence"] <= filled["high"] + 1e-12).all()
    assert (filled["confidence"] >= filled["low"] - 1e-12).all()
    # no bin can be better than all clips in one bin
    assert abs(np.mean(confidence) - np.mean(correct)) - 1e-12 <= error <= 1


@pytest.mark.parametrize(
    ("confidence", "correct", "n_bins", "message"),
    [
        ([], [], 15, "correct"),
        ([0.5], [True, False], 15, "correct"),
        ([1.5], [True], 15, "confidence"),
        ([float("nan")], [True], 15, "confidence"),
        ([0.5], [2], 15, "correct"),
        ([0.5], [True], 0, "n_bins"),
    ],
)
def test_reliability_refuses(confidence, correct, n_bins, message):
    with pytest.raises(ParameterError, match=message):
        reliability(confidence, correct, n_bins=n_bins)
