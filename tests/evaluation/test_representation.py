"""representation: what can be said of features without learning a head on them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, silhouette_score

from faunashot.errors import ParameterError
from faunashot.evaluation.representation import representation

RETRIEVAL = ("retrieval_map", "retrieval_map_chance", "recall_at_1", "recall_at_10")


def gaussians(
    n: int, *, apart: float, classes: int = 3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """`n` clips a class around its own axis of eight, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), n)
    features = rng.normal(size=(len(labels), 8))
    features[np.arange(len(labels)), labels] += apart
    return features, labels


def test_classes_far_apart_are_told_apart_by_every_figure():
    x, y = gaussians(20, apart=50.0)
    found = representation(x, y, np.arange(len(y)))
    assert found["silhouette"] > 0.9
    assert found["adjusted_mutual_info"] == pytest.approx(1.0)
    assert [found[k] for k in ("retrieval_map", "recall_at_1", "recall_at_10")] == [1.0] * 3


def test_features_without_classes_are_at_chance():
    x, y = gaussians(60, apart=0.0)
    found = representation(x, y, np.arange(len(y)))
    assert found["silhouette"] == pytest.approx(0.0, abs=0.05)
    assert found["adjusted_mutual_info"] == pytest.approx(0.0, abs=0.05)
    assert found["retrieval_map"] == pytest.approx(found["retrieval_map_chance"], abs=0.03)
    assert found["recall_at_1"] == pytest.approx(1 / 3, abs=0.12)
    assert found["recall_at_1"] < found["recall_at_10"]


def test_features_that_are_all_the_same_are_at_chance_whatever_the_order_of_clips():
    found = representation(np.ones((60, 4)), np.repeat([0, 1], 30), np.arange(60))
    assert found["retrieval_map"] == pytest.approx(found["retrieval_map_chance"], abs=0.06)
    assert found["silhouette"] == 0.0
    assert found["adjusted_mutual_info"] == pytest.approx(0.0, abs=1e-9)


def test_clips_of_ones_own_recording_are_no_help():
    """Each recording's two clips lie together, far from the others of their class."""
    rng = np.random.default_rng(0)
    x = np.repeat(rng.normal(size=(20, 8)), 2, axis=0)
    y, recordings = np.repeat([0, 1], 20), np.repeat(np.arange(20), 2)
    assert representation(x, y, np.arange(40))["recall_at_1"] == 1.0
    assert representation(x, y, recordings)["recall_at_1"] < 0.9


def test_retrieval_by_hand():
    """Directions at 0, 30, 100 and 250 degrees, centred by their mirror images."""
    angle = np.deg2rad([0, 30, 100, 250])
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.concatenate([x, -x])
    y = np.array(["a", "b", "a", "b", *"cdef"])
    found = representation(x, y, np.arange(8))
    # the mirror images lie at 180, 210, 280 and 70; each of the four asks for one other clip:
    # a at 0 finds 30, 70, 280 before that at 100; a at 100 finds 70, 30, 180 before that at 0;
    # b at 30 finds 0, 70, 100, 280 before that at 250; and b at 250 finds 280, 210, 180, 0
    assert found["retrieval_map"] == pytest.approx((1 / 4 + 1 / 5) / 2)
    assert (found["recall_at_1"], found["recall_at_10"]) == (0.0, 1.0)
    # one relevant clip of seven: the mean of 1/rank
    assert found["retrieval_map_chance"] == pytest.approx(np.mean(1 / np.arange(1, 8)))


def test_figures_are_those_of_scikit_learn():
    x, y = gaussians(15, apart=1.5)
    found = representation(x, y, np.arange(len(y)))
    unit = x - x.mean(axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert found["silhouette"] == pytest.approx(silhouette_score(unit, y, metric="cosine"))
    similar = unit @ unit.T
    others = [np.arange(len(y)) != i for i in range(len(y))]
    each = [average_precision_score(y[o] == y[i], similar[i, o]) for i, o in enumerate(others)]
    assert found["retrieval_map"] == pytest.approx(np.mean(each))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-100, 100))
def test_neither_scale_nor_offset_nor_the_order_of_clips_counts(seed, scale, offset):
    x, y = gaussians(8, apart=2.0, seed=seed)
    order = np.random.default_rng(seed).permutation(len(y))
    plain = representation(x, y, y * 100 + np.arange(len(y)) // 2)
    moved = representation(
        scale * x[order] + offset, y[order], (y * 100 + np.arange(len(y)) // 2)[order]
    )
    for figure in ("silhouette", *RETRIEVAL):
        assert moved[figure] == pytest.approx(plain[figure], abs=1e-6)
    assert all(0 <= plain[figure] <= 1 for figure in RETRIEVAL)
    assert plain["recall_at_1"] <= plain["recall_at_10"]


def test_many_queries_are_ranked_in_blocks(monkeypatch):
    x, y = gaussians(15, apart=1.0)
    whole = representation(x, y, y)
    monkeypatch.setattr("faunashot.evaluation.representation.BLOCK", 7)
    assert representation(x, y, y) == whole


def test_k_means_is_that_of_its_seed():
    x, y = gaussians(15, apart=1.0)
    assert representation(x, y, y, seed=3) == representation(x, y, y, seed=3)


def test_a_figure_that_is_not_defined_is_none():
    x, y = gaussians(6, apart=1.0)
    one_class = representation(x, np.zeros(18), np.arange(18))
    assert (one_class["silhouette"], one_class["adjusted_mutual_info"]) == (None, None)
    assert one_class["retrieval_map"] == 1.0
    one_recording_a_class = representation(x, y, y)
    assert {one_recording_a_class[figure] for figure in RETRIEVAL} == {None}


@pytest.mark.parametrize(
    ("features", "labels"),
    [(np.ones(3), [0, 1, 1]), (np.ones((3, 2)), [0, 1]), (np.full((2, 2), np.nan), [0, 1])],
)
def test_what_is_no_table_of_clips_is_refused(features, labels):
    with pytest.raises(ParameterError, match="features: "):
        representation(features, labels, labels)
