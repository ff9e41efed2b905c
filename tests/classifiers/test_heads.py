"""Every head of the catalogue keeps one contract, and is stored without pickle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skops.io
from scipy.special import softmax
from sklearn.preprocessing import StandardScaler

from faunashot.classifiers.heads import HEADS, Head, load_head, make_head, save_head, scores_of
from faunashot.errors import ParameterError, StoreError
from faunashot.systems.catalogue import System, system, systems

WEIGHTED = {"logistic", "prototype", "linear_svm", "rbf_svm", "mlp"}
"""Heads for which a window's weight counts."""


def overlapping(n: int = 30, *, dim: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of n windows each, Gaussians near each other; float32, as embeddings are."""
    rng = np.random.default_rng(3)
    centres = 2 * np.eye(3, dim)
    windows = np.concatenate([c + rng.normal(size=(n, dim)) for c in centres])
    return windows.astype(np.float32), np.repeat(["cat", "hen", "owl"], n)


@pytest.fixture(params=list(systems()))
def named(request: pytest.FixtureRequest) -> System:
    return system(request.param)


@pytest.fixture
def head(named: System) -> Head:
    return make_head(named.head, seed=1, **named.settings)


def test_the_catalogue_and_the_heads_name_each_other():
    assert {s.head for s in systems().values()} == set(HEADS)


def test_an_unknown_system_gets_the_nearest():
    with pytest.raises(ParameterError, match=r"system: unknown value 'logistik'.*'logistic'"):
        system("logistik")


def test_predicts_probabilities_of_the_classes_that_it_learned(head):
    X, y = overlapping()
    assert head.fit(X, y) is head
    probabilities = head.predict_proba(X[::7])
    assert head.classes_.tolist() == ["cat", "hen", "owl"]
    assert probabilities.shape == (len(X[::7]), 3)
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    expected = head.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(head.predict(X[::7]), expected)


def test_learns_better_than_chance(head):
    X, y = overlapping()
    assert (head.fit(X[::2], y[::2]).predict(X[1::2]) == y[1::2]).mean() > 0.5


def test_one_window_a_class_is_enough(head):
    X = np.array([[0.0, 1.0], [4.0, -1.0]], dtype=np.float32)
    head.fit(X, ["cat", "owl"], sample_weight=[1.0, 1.0])
    assert head.predict_proba(X).shape == (2, 2)
    assert head.predict(X).tolist() == ["cat", "owl"]


def test_one_class_is_not(head):
    with pytest.raises(ParameterError, match="at least two classes"):
        head.fit(np.eye(3), ["cat"] * 3)


def test_the_same_seed_learns_the_same(named):
    X, y = overlapping()
    first, second = (make_head(named.head, seed=5, **named.settings).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.parametrize("name", HEADS)
def test_weights_count_where_the_estimator_takes_them(name):
    X, y = overlapping()
    weight = np.where(y == "owl", 0.01, 1.0) * np.linspace(0.1, 1, len(y))
    plain, weighted = (
        make_head(name, seed=1).fit(X, y, sample_weight=w).predict_proba(X) for w in (None, weight)
    )
    assert np.allclose(plain, weighted, atol=1e-6) == (name not in WEIGHTED)


def test_standardisation_is_fitted_on_the_training_windows_alone(head):
    X, y = overlapping()
    head.fit(X, y)
    np.testing.assert_allclose(head.scaler_.mean_, X.mean(axis=0, dtype=float), atol=1e-6)
    alone = head.predict_proba(X[:1])
    beside_far_ones = head.predict_proba(np.concatenate([X[:1], 1000 * X[:50]]))[:1]
    np.testing.assert_allclose(alone, beside_far_ones, atol=1e-6)


def test_scale_and_offset_of_a_dimension_do_not_matter(head):
    X, y = overlapping()
    X = X.astype(np.float64)
    scaled = X * np.geomspace(0.01, 100, X.shape[1]) + 7
    one, other = (head.fit(of, y).predict(of) for of in (X, scaled))
    assert (one == other).mean() > 0.97


def test_a_stored_head_gives_the_same_probabilities(head, tmp_path):
    X, y = overlapping()
    head.fit(X, y)
    save_head(head, tmp_path / "head.skops")
    loaded = load_head(tmp_path / "head.skops")
    np.testing.assert_array_equal(loaded.predict_proba(X), head.predict_proba(X))
    assert loaded.classes_.tolist() == head.classes_.tolist()


class Foreign(StandardScaler):
    """A type that no head holds."""


def test_a_stored_head_of_foreign_types_is_refused_and_the_types_named(tmp_path):
    skops.io.dump(Foreign().fit(np.eye(2)), tmp_path / "head.skops")
    with pytest.raises(
        StoreError, match=r"head\.skops holds types that are not trusted: .*Foreign"
    ):
        load_head(tmp_path / "head.skops")


def test_a_stored_head_is_no_pickle(tmp_path):
    X, y = overlapping()
    save_head(make_head("logistic").fit(X, y), tmp_path / "head.skops")
    assert (tmp_path / "head.skops").read_bytes()[:2] == b"PK"  # a zip of JSON and arrays


@pytest.mark.parametrize("content", [b"", b"no head", b"PK\x03\x04 torn"])
def test_a_file_that_is_no_head_is_refused(tmp_path, content):
    file = tmp_path / "head.skops"
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"head\.skops is not a stored head"):
        load_head(file)


def test_a_torn_head_is_refused(tmp_path):
    X, y = overlapping()
    file = tmp_path / "head.skops"
    save_head(make_head("logistic").fit(X, y), file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(StoreError, match=r"head\.skops is not a stored head"):
        load_head(file)


def test_a_head_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="FileNotFoundError"):
        load_head(tmp_path / "head.skops")


def test_an_unknown_head_gets_the_nearest():
    with pytest.raises(ParameterError, match=r"head: unknown value 'protoype'.*'prototype'"):
        make_head("protoype")


@pytest.mark.parametrize("name", HEADS)
def test_an_unknown_setting_is_named_with_its_head(name):
    with pytest.raises(ParameterError, match=f"head {name}: .*temprature"):
        make_head(name, temprature=1)


def test_the_prototype_is_the_weighted_mean_and_its_distance_counts_per_dimension():
    X = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    prototype = HEADS["prototype"](0, temperature=2.0)
    prototype.fit(X, ["owl", "owl", "cat"], sample_weight=[1.0, 3.0, 5.0])
    assert prototype.classes_.tolist() == ["cat", "owl"]
    np.testing.assert_allclose(prototype.prototypes_, [[0.0, 4.0], [2.5, 0.0]])
    # From (1, 0): 1 + 16 = 17 to the cat, 2.25 to the owl; over 2 dimensions and temperature 2.
    expected = softmax([[-17 / 4, -2.25 / 4]], axis=1)
    np.testing.assert_allclose(prototype.predict_proba([[1.0, 0.0]]), expected)
    assert prototype.predict([[1.0, 0.0]]).tolist() == ["owl"]


def test_neighbours_are_at_most_as_many_as_there_are_windows():
    X, y = overlapping(2)
    assert make_head("knn", neighbours=15).fit(X, y).estimator_.n_neighbors == 6
    X, y = overlapping(20)
    assert make_head("knn", neighbours=15).fit(X, y).estimator_.n_neighbors == 15


class Fixed:
    """A head that answers the same, whatever it hears."""

    classes_ = np.array(["cat", "music", "owl"])

    def predict_proba(self, X):
        return np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])[: len(X)]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["cat", "music", "owl"], [[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]]),
        (["cat", "owl"], [[0.4, 0.6], [0.0, 0.0]]),
        (["owl", "cat"], [[0.6, 0.4], [0.0, 0.0]]),
        (["owl", "wren"], [[1.0, 0.0], [0.0, 0.0]]),
    ],
)
def test_scores_are_picked_by_name_and_made_to_sum_to_one_where_there_are_any(classes, expected):
    np.testing.assert_allclose(scores_of(Fixed(), np.zeros((2, 4)), classes), expected)
