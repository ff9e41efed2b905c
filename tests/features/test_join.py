"""Joined features: the rows of the longest windows, beside what the others heard meanwhile."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.errors import StoreError
from faunashot.features import store
from faunashot.features.join import join
from faunashot.features.store import Features, FeatureSpec

LENGTHS_S = {"a": 0.7, "b": 3.0, "c": 7.3}


def grid(length_s: float, window_s: float, hop_s: float) -> list[tuple[float, float]]:
    """What the windows of a recording cover."""
    n = 1 + max(0, int(np.ceil((length_s - window_s) / hop_s - 1e-9)))
    return [(at * hop_s, min(at * hop_s + window_s, length_s)) for at in range(n)]


def features(
    name: str, window_s: float, hop_s: float, *, dim: int = 2, clips: str = "abc", seed: int = 0
) -> Features:
    rows = [(i, *span) for i in clips for span in grid(LENGTHS_S[i], window_s, hop_s)]
    index = pd.DataFrame(rows, columns=["clip_id", "start_s", "end_s"])
    values = np.random.default_rng(seed).normal(size=(len(rows), dim)).astype(np.float32)
    spec = FeatureSpec(name, "1", name[0] * 64, 16_000, window_s, hop_s, dim)
    return Features(values, index, spec)


def by_hand(part: Features, row: pd.Series) -> np.ndarray:
    """The mean of a part's windows over the span of a row, window by window."""
    total, seconds = np.zeros(part.spec.dim), 0.0
    for at, window in part.index.iterrows():
        overlap = min(row["end_s"], window["end_s"]) - max(row["start_s"], window["start_s"])
        if window["clip_id"] == row["clip_id"] and overlap > 0:
            total += overlap * part.windows[at]
            seconds += overlap
    return total / seconds


@settings(deadline=None, max_examples=30)
@given(st.permutations("abc"), st.sampled_from([(0.96, 0.48), (1.0, 1.0), (2.9, 0.5)]))
def test_a_row_is_a_long_window_and_the_others_mean_by_overlap(clips, short):
    long, other = features("birds", 3.0, 3.0), features("yam", *short, dim=3, clips="".join(clips))
    joined = join([other, long])
    pd.testing.assert_frame_equal(joined.index, long.index)
    np.testing.assert_array_equal(joined.windows[:, 3:], long.windows)
    assert joined.windows.dtype == np.float32
    for at, row in joined.index.iterrows():
        np.testing.assert_allclose(joined.windows[at, :3], by_hand(other, row), atol=1e-6)


def test_both_orders_carry_the_same():
    parts = [features("birds", 3.0, 3.0), features("yam", 0.96, 0.48, dim=3)]
    one, other = join(parts), join(parts[::-1])
    np.testing.assert_array_equal(np.roll(one.windows, 3, axis=1), other.windows)
    pd.testing.assert_frame_equal(one.index, other.index)
    assert (one.spec.backbone, other.spec.backbone) == ("birds+yam", "yam+birds")
    assert (one.spec.blocks, other.spec.blocks) == ((2, 3), (3, 2))


def test_the_spec_says_what_was_joined():
    spec = join([features("birds", 3.0, 2.0), features("yam", 0.96, 0.48, dim=3)]).spec
    assert spec == FeatureSpec(
        "birds+yam", "1+1", f"{'b' * 64}+{'y' * 64}", 16_000, 3.0, 2.0, 5, (2, 3)
    )


def test_one_part_is_left_as_it_is():
    part = features("birds", 3.0, 3.0)
    assert join([part]) is part


def test_joined_features_are_joined_further_by_their_blocks():
    parts = [features("birds", 3.0, 3.0), features("yam", 0.96, 0.48), features("ears", 1.0, 0.5)]
    at_once, in_turn = join(parts), join([join(parts[:2]), parts[2]])
    np.testing.assert_array_equal(at_once.windows, in_turn.windows)
    assert at_once.spec == in_turn.spec
    assert at_once.spec.blocks == (2, 2, 2)


def test_a_last_window_beyond_the_others_grid_gets_their_last():
    """Resampled to another rate a recording may be some samples longer."""
    long, other = features("birds", 3.0, 3.0, clips="b"), features("yam", 1.0, 1.0, clips="b")
    span = {"clip_id": "b", "start_s": [0.0, 3.0], "end_s": [3.0, 3.00002]}
    beyond = Features(np.ones((2, 2), np.float32), pd.DataFrame(span), long.spec)
    joined = join([beyond, other])
    np.testing.assert_allclose(joined.windows[0, 2:], other.windows.mean(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(joined.windows[1, 2:], other.windows[-1])


def test_windows_of_one_length_keep_the_rows_of_the_first():
    parts = [features("birds", 1.0, 1.0), features("yam", 1.0, 0.5)]
    assert len(join(parts).index) == len(parts[0].index)
    assert len(join(parts[::-1]).index) == len(parts[1].index)


def test_features_of_other_clips_are_refused_and_one_is_named():
    parts = [features("birds", 3.0, 3.0), features("yam", 1.0, 1.0, clips="ab")]
    for order in (parts, parts[::-1]):
        with pytest.raises(StoreError, match="c is not in the features of all of them") as caught:
            join(order)
        assert "\n" not in str(caught.value)


def test_no_clips_are_no_rows():
    parts = [features("birds", 3.0, 3.0, clips=""), features("yam", 1.0, 1.0, dim=3, clips="")]
    assert join(parts).windows.shape == (0, 5)


def test_stores_on_disk_are_joined_as_they_were_made(tmp_path):
    parts = [features("birds", 3.0, 3.0), features("yam", 0.96, 0.48)]
    for part in parts:
        store.save(part, tmp_path / part.spec.backbone)
    loaded = [store.load(tmp_path / part.spec.backbone) for part in parts]
    one, other = join(parts), join(loaded)
    np.testing.assert_array_equal(one.windows, other.windows)
    assert one.spec == other.spec
