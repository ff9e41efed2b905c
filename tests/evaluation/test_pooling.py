"""Scores of windows pooled to scores of clips."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.errors import ParameterError
from faunashot.evaluation.pooling import pool_windows

CLASSES = ("cat", "cow", "dog", "frog")


def windows_of(probabilities: np.ndarray, clips: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(probabilities, columns=list(CLASSES))
    table.insert(0, "clip_id", clips)
    return table


def test_pool_takes_the_mean_and_keeps_the_order_of_first_appearance():
    windows = windows_of(
        np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]], dtype=np.float32),
        ["b", "a", "b", "b"],
    )
    windows = windows.assign(start_s=[0, 0, 1, 2], label=["dog", "cat", "dog", "dog"], fold=None)
    windows.index = pd.Index([9, 9, 2, 0])

    clips = pool_windows(windows, CLASSES)

    assert clips["clip_id"].tolist() == ["b", "a"]
    assert clips["label"].tolist() == ["dog", "cat"]
    assert clips["fold"].isna().all()
    assert "start_s" not in clips
    assert clips[list(CLASSES)].dtypes.eq(np.float64).all()
    np.testing.assert_allclose(clips[list(CLASSES)], [[1 / 3, 0, 2 / 3, 0], [0, 1, 0, 0]])
    assert windows["cat"].dtype == np.float32


def test_pool_by_several_keys_takes_a_missing_key_for_a_value():
    windows = windows_of(np.eye(4), ["a", "a", "a", "a"]).assign(fold=[1.0, None, 1.0, None])

    clips = pool_windows(windows, CLASSES, by=("clip_id", "fold"))

    assert len(clips) == 2
    np.testing.assert_array_equal(clips[list(CLASSES)].sum(axis=1), [1, 1])


def test_pool_leaves_out_a_column_that_is_missing_in_part_of_a_clip():
    windows = windows_of(np.eye(4), ["a", "a", "b", "b"]).assign(label=["x", None, "y", "y"])

    assert "label" not in pool_windows(windows, CLASSES)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5),
    st.integers(1, 9),
)
def test_pool_of_equal_windows_is_the_window(rows, repeats):
    clips = [f"clip{number}" for number in range(len(rows))]
    windows = pd.concat([windows_of(np.array(rows), clips)] * repeats)

    pooled = pool_windows(windows, CLASSES)

    assert pooled["clip_id"].tolist() == clips
    np.testing.assert_allclose(pooled[list(CLASSES)], rows, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize(
    ("change", "by", "message"),
    [
        ({}, ("clip",), "no column 'clip'"),
        ({"cow": [0.1, np.nan]}, ("clip_id",), "row 1, class 'cow' is not a finite number"),
        ({}, (), "needs some names"),
        ({}, ("cat",), "all different"),
    ],
)
def test_pool_refuses(change, by, message):
    windows = windows_of(np.eye(4)[:2], ["a", "a"]).assign(**change)

    with pytest.raises(ParameterError, match=message):
        pool_windows(windows, CLASSES, by=by)
