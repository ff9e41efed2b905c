"""How figures are written: four decimals, both intervals, and what they say."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.wording import decimals, interval, is_drawn, labelled, sentence


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.88, "0.8800"), ("0.7881", "0.7881"), (1, "1.0000"), (None, "none"), ("", "none")],
)
def test_a_figure_has_four_decimals(value, shown):
    assert decimals(value) == shown


def test_a_difference_has_its_sign_and_nan_is_no_figure():
    assert (decimals(0.5, sign=True), decimals(-0.5, sign=True)) == ("+0.5000", "-0.5000")
    assert decimals(np.nan) == "none"


def test_both_intervals_of_a_figure_are_told_apart():
    both = {"f_low": 0.1, "f_high": "0.9", "f_draws_low": 0.4, "f_draws_high": 0.6}
    assert interval(both, "f") == "0.1000 to 0.9000"
    assert interval(both, "f", draws=True) == "0.4000 to 0.6000"
    assert is_drawn(both, "f")
    alone = {"f_low": 0.1, "f_high": 0.9, "f_draws_low": "", "f_draws_high": np.nan}
    assert not is_drawn(alone, "f")
    assert interval({"f_low": None, "f_high": 0.9}, "f") == interval({}, "f") == "none"
    assert sentence(drawn=True) != sentence(drawn=False)


def test_labelled_clips_are_one_number_or_a_range():
    assert labelled({"labelled_least": 9, "labelled_most": 9.0}) == "9"
    assert labelled({"labelled_least": "4", "labelled_most": "10"}) == "4 to 10"
    assert labelled({"labelled_least": "", "labelled_most": ""}) == labelled({}) == ""
