"""Labels saved: read off a curve by hand, inverse of the curve, and what lies outside it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faunashot.errors import ParameterError
from faunashot.evaluation.labels_saved import is_ahead, labels_saved


def curve(ks: list[int], scores: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"k": ks, "macro_f1": scores})


def test_by_hand():
    better = curve([1, 4, 16], [0.5, 0.7, 0.8])
    worse = curve([1, 4, 16, 32], [0.4, 0.5, 0.75, 0.85])

    table = labels_saved(better, worse)

    # halfway from 0.7 to 0.8 is the geometric mean of 4 and 16
    assert table["shown"].tolist() == ["under 1", "1.0", "8.0", "more than 16"]
    np.testing.assert_allclose(table["needed"], [np.nan, 1, 8, np.nan])
    np.testing.assert_allclose(table["saved"], [np.nan, 3, 8, np.nan])
    assert table["k"].tolist() == [1, 4, 16, 32]


def test_a_curve_that_dips_counts_where_it_first_gets_there():
    better = curve([1, 2, 4, 8], [0.4, 0.6, 0.5, 0.7])
    assert labels_saved(better, curve([8], [0.55]))["needed"].item() == pytest.approx(2**0.75)


def test_a_flat_curve_is_reached_at_its_first_k():
    assert labels_saved(curve([2, 4], [0.5, 0.5]), curve([9], [0.5]))["needed"].item() == 2


def test_rows_in_any_order_and_zero_shot_left_out():
    shuffled = curve([4, 0, 1], [0.7, 0.1, 0.5])
    table = labels_saved(shuffled, curve([4, 0], [0.6, 0.2]))
    assert table["k"].tolist() == [4]
    assert table["needed"].item() == pytest.approx(2)


@given(st.lists(st.floats(0.01, 0.2), min_size=2, max_size=6))
def test_a_rising_curve_needs_its_own_k_to_match_itself(rises):
    itself = curve([2**n for n in range(len(rises))], np.cumsum(rises).tolist())
    np.testing.assert_allclose(labels_saved(itself, itself)["needed"], itself["k"])


def test_the_curve_above_is_ahead_over_the_k_that_both_reach():
    low, high = curve([1, 2, 5], [0.3, 0.4, 0.5]), curve([2, 5, 10], [0.5, 0.6, 0.1])
    assert is_ahead(high, low)
    assert not is_ahead(low, high)
    with pytest.raises(ParameterError, match="k from 7 to 9 share none"):
        is_ahead(low, curve([7, 9], [0.1, 0.2]))


@pytest.mark.parametrize("ks", [[], [0], [1, 1]])
def test_a_curve_needs_each_k_once(ks):
    with pytest.raises(ParameterError, match="worse: needs a curve"):
        labels_saved(curve([1, 2], [0.1, 0.2]), curve(ks, [0.5] * len(ks)))
