"""ClassMap: outputs of one set of classes read as another."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.classifiers.class_map import ClassMap
from faunashot.classifiers.heads import load_head, make_head, save_head


@pytest.fixture
def outputs() -> np.ndarray:
    return np.array([[0.2, 0.4, 0.9], [0.0, 0.1, 0.0]])


def test_a_class_scores_the_mean_of_its_outputs(outputs):
    scores = ClassMap(["dog", "cat"], [[0, 1], [2]]).predict_proba(outputs)
    np.testing.assert_allclose(scores, [[0.3, 0.9], [0.05, 0.0]])


def test_a_class_of_many_kinds_scores_the_loudest_of_its_outputs(outputs):
    scores = ClassMap(["dog", "cat"], [[0, 1], []], pool="max").predict_proba(outputs)
    np.testing.assert_allclose(scores, [[0.4, 0.0], [0.1, 0.0]])


def test_an_unmapped_class_scores_nothing(outputs):
    scores = ClassMap(["dog", "hen"], [[0], []]).predict_proba(outputs)
    np.testing.assert_array_equal(scores[:, 1], 0)


def test_a_window_in_which_nothing_is_heard_stays_quiet(outputs):
    scores = ClassMap(["dog", "cat"], [[0, 1], [2]]).predict_proba(outputs)
    assert scores[1].sum() < 0.1 < scores[0].sum()


def test_its_classes_are_the_target_ones():
    assert ClassMap(["dog", "cat"], [[0], [1]]).classes_.tolist() == ["dog", "cat"]


def test_a_head_before_it_yields_the_outputs():
    head = make_head("prototype").fit(np.array([[0.0], [1.0]]), ["rain", "wind"])
    X = np.array([[0.1], [0.8]])
    np.testing.assert_array_equal(
        ClassMap(["dog", "cat"], [[1], [0]], head=head).predict_proba(X),
        head.predict_proba(X)[:, ::-1],
    )


@pytest.mark.parametrize("pool", ["mean", "max"])
@pytest.mark.parametrize("with_head", [True, False])
def test_a_stored_map_gives_the_same_scores(tmp_path, outputs, with_head, pool):
    y = ["rain", "wind", "sea"]
    head = make_head("logistic").fit(np.eye(3), y) if with_head else None
    made = ClassMap(["dog", "cat", "hen"], [[1], [0, 2], []], pool=pool, head=head)
    save_head(made, tmp_path / "head.skops")
    loaded = load_head(tmp_path / "head.skops")
    np.testing.assert_array_equal(loaded.predict_proba(outputs), made.predict_proba(outputs))
    assert loaded.classes_.tolist() == ["dog", "cat", "hen"]
