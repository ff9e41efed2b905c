"""The table of clips and windows: rows, means by what is covered, and tables of scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faunashot.errors import SplitError
from faunashot.features.store import Features, FeatureSpec
from faunashot.protocols.support.table import WindowTable

SPANS = {
    "a": [(0.0, 1.0), (0.5, 1.5), (1.0, 1.2)],
    "b": [(0.0, 0.3)],
    "c": [(0.0, 1.0), (0.5, 1.4)],
}


def made_by(dim: int, blocks: tuple[int, ...] = ()) -> FeatureSpec:
    return FeatureSpec("fake", "1", "0" * 64, 16_000, 1.0, 0.5, dim, blocks)


def three(*, order: str = "abc", listed: str = "abc", blocks: tuple[int, ...] = ()) -> WindowTable:
    """Clips a to c; windows of one clip need not lie together in the store."""
    rows = [(clip_id, *span) for clip_id in order for span in SPANS[clip_id]]
    index = pd.DataFrame(rows, columns=["clip_id", "start_s", "end_s"])
    values = [[ord(clip_id), start, end] for clip_id, start, end in rows]
    clips = pd.DataFrame(
        {"clip_id": list(listed), "label": [{"a": "owl"}.get(i, "cat") for i in listed]}
    ).assign(fold=None, group=list(listed.upper()))
    return WindowTable(clips, Features(np.array(values, np.float32), index, made_by(3, blocks)))


def test_windows_are_those_of_the_clips_in_their_order():
    for order in ("abc", "cab"):
        windows = three(order=order).examples(["c", "a"]).windows()
        assert windows[:, 0].tolist() == [ord(i) for i in "ccaaa"]
        assert windows[:, 1].tolist() == [0, 0.5, 0, 0.5, 1]
    assert three().examples(["b", "a"]).counts.tolist() == [1, 3]
    assert three().labels(["b", "a"]).tolist() == ["cat", "owl"]
    assert three().classes == ["cat", "owl"]


@given(st.permutations(["a", "b", "c"]), st.permutations("abc"))
def test_a_mean_counts_each_window_by_the_seconds_that_it_covers(wanted, order):
    means = three(order="".join(order)).means(wanted)
    assert means.dtype == np.float32
    for clip_id, mean in zip(wanted, means, strict=True):
        spans = np.array(SPANS[clip_id])
        expected = np.average(spans, axis=0, weights=spans[:, 1] - spans[:, 0])
        np.testing.assert_allclose(mean, [ord(clip_id), *expected], rtol=1e-6)


def test_a_mean_is_taken_in_double_precision():
    """A million and a little, ten thousand times: in single precision the little is lost."""
    clips = pd.DataFrame({"clip_id": ["a"], "label": ["owl"], "fold": [None], "group": ["a"]})
    n = 10_000
    index = pd.DataFrame({"clip_id": "a", "start_s": np.arange(n, dtype=float)})
    values = np.full((n, 1), 1e6, np.float32) + np.float32(0.0625)
    table = WindowTable(
        clips, Features(values, index.assign(end_s=index["start_s"] + 1), made_by(1))
    )
    assert table.means(["a"])[0, 0] == np.float32(1e6 + 0.0625)


def test_windows_to_learn_from_weigh_one_a_clip():
    learn = three().examples(["a", "c"])
    assert learn.labels[learn.clip_of].tolist() == ["owl"] * 3 + ["cat"] * 2
    np.testing.assert_allclose(learn.coverage, [1 / 2.2, 1 / 2.2, 0.2 / 2.2, 1 / 1.9, 0.9 / 1.9])


def test_scores_stand_beside_what_they_are_of():
    table = three(order="bca")
    scores = np.arange(10).reshape(5, 2) / 10
    held_out = table.held_out(["c", "a"], scores, ["cat", "owl"], k=5, fold="1")
    assert held_out["clip_id"].tolist() == list("ccaaa")
    assert held_out["end_s"].tolist() == [1.0, 1.4, 1.0, 1.5, 1.2]
    assert held_out["group"].tolist() == list("CCAAA")
    assert held_out["label"].tolist() == ["cat"] * 2 + ["owl"] * 3
    assert (held_out["k"] == 5).all()
    np.testing.assert_array_equal(held_out[["p_cat", "p_owl"]], scores)
    clips = table.held_out_clips(["c", "a"], scores[:2], ["cat", "owl"], k=5, fold="1")
    assert list(clips) == list(held_out)
    assert clips["start_s"].tolist() == [0, 0]
    assert clips["end_s"].tolist() == [1.4, 1.5]  # the longest, which need not be the last


def test_the_table_of_no_clips_has_the_same_features():
    none = three(blocks=(1, 2)).none()
    assert none.clips.empty
    assert none.classes == []
    assert none.blocks == (1, 2)
    assert none.examples([]).windows().shape == none.means([]).shape == (0, 3)


def test_blocks_are_those_of_joined_backbones_or_one():
    assert three(blocks=(1, 2)).blocks == (1, 2)
    assert three().blocks == (3,)


def test_clips_without_features_are_refused_and_counted():
    with pytest.raises(SplitError, match="no features for c and 0 further clips"):
        three(order="ab")
    assert three(listed="b").clips["clip_id"].tolist() == ["b"]  # features of more are no harm
