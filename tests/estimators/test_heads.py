"""Every head of the catalogue keeps one contract, and is stored without pickle."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from scipy.special import softmax
from sklearn.preprocessing import StandardScaler

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import LearningSet, columns
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import SOURCE_WEIGHT, Head, make_head
from faunashot.estimators.heads import HEADS
from faunashot.estimators.steps import Steps
from faunashot.estimators.stored import load_object, save_object
from faunashot.estimators.unknown import Novelty
from faunashot.systems.catalogue import System, system, systems

WEIGHTED = {*HEADS} - {"knn"}
"""Heads for which a row's weight counts."""

OF_CLIPS = [n for n, of in systems().items() if of.head in HEADS and of.level is None]


def overlapping(n: int = 30, *, dim: int = 6, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Three classes of n clips each, Gaussians near each other; float32, as embeddings are."""
    rng = np.random.default_rng(seed)
    centres = 2 * np.eye(3, dim)
    clips = np.concatenate([c + rng.normal(size=(n, dim)) for c in centres])
    return clips.astype(np.float32), np.repeat(["cat", "hen", "owl"], n)


def make(named: System, *, seed: int = 1, **more: Any) -> Head:
    given = {"steps": named.steps, "fit_steps_on": named.fit_steps_on} | more
    return make_head(named.head, named.settings, seed=seed, **given)


def fit(head: Head, X: np.ndarray, y: Any, *, weight: Any = None, unlabelled: Any = None) -> Head:
    """Fit a head on rows as mean features of clips."""
    train = Examples.of_rows(X, list(y), weights=weight)
    return head.fit(train, unlabelled=None if unlabelled is None else of_no_label(unlabelled))


def of_no_label(X: np.ndarray) -> Examples:
    return Examples.of_rows(X, [""] * len(X))


def decided(head: Head, X: np.ndarray) -> np.ndarray:
    """The most probable class of each row."""
    return np.asarray(head.classes_)[head.predict_proba(X).argmax(axis=1)]


QUICK = [name for name in OF_CLIPS if name != "mlp"]
"""Those that are fitted in an instant."""


@pytest.fixture(params=OF_CLIPS)
def named(request: pytest.FixtureRequest) -> System:
    return system(request.param)


@pytest.fixture
def head(named: System) -> Head:
    return make(named)


def test_the_catalogue_and_the_heads_name_each_other():
    assert {system(name).head for name in OF_CLIPS} == set(HEADS)


def test_an_unknown_system_gets_the_nearest():
    with pytest.raises(ParameterError, match=r"system: unknown value 'logistik'.*'logistic'"):
        system("logistik")


def test_predicts_probabilities_of_the_classes_that_it_learned(head):
    X, y = overlapping()
    assert fit(head, X, y) is head
    probabilities = head.predict_proba(X[::7])
    assert head.classes_.tolist() == ["cat", "hen", "owl"]
    assert probabilities.shape == (len(X[::7]), 3)
    assert probabilities.dtype == np.float64
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    expected = head.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(decided(head, X[::7]), expected)


def test_learns_better_than_chance(head):
    X, y = overlapping()
    assert (decided(fit(head, X[::2], y[::2]), X[1::2]) == y[1::2]).mean() > 0.5


def test_one_clip_a_class_is_enough(head):
    X = np.array([[0.0, 1.0], [4.0, -1.0]], dtype=np.float32)
    fit(head, X, ["cat", "owl"], weight=[1.0, 1.0])
    assert head.predict_proba(X).shape == (2, 2)
    assert decided(head, X).tolist() == ["cat", "owl"]


def test_one_class_is_not(head):
    with pytest.raises(ParameterError, match="at least two classes"):
        fit(head, np.eye(3), ["cat"] * 3)


def test_the_same_seed_learns_the_same(named):
    X, y = overlapping()
    first, second = (fit(make(named, seed=5), X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.parametrize("name", HEADS.names())
def test_weights_count_where_the_estimator_takes_them(name):
    X, y = overlapping()
    weight = np.where(y == "owl", 0.01, 1.0) * np.linspace(0.1, 1, len(y))
    plain, weighted = (
        fit(make_head(name, seed=1), X, y, weight=w).predict_proba(X) for w in (None, weight)
    )
    assert np.allclose(plain, weighted, atol=1e-6) == (name not in WEIGHTED)


def test_steps_are_fitted_on_the_training_clips_alone(head):
    X, y = overlapping()
    fit(head, X, y)
    alone = head.predict_proba(X[:1])
    beside_far_ones = head.predict_proba(np.concatenate([X[:1], 1000 * X[:50]]))[:1]
    np.testing.assert_allclose(alone, beside_far_ones, atol=1e-6)


@pytest.mark.parametrize("name", QUICK)
def test_a_head_forgets_what_it_was_fitted_on_before(name):
    head = make(system(name))
    X, y = overlapping()
    others, labels = overlapping(20, dim=4, seed=4)
    fresh = fit(head, X, y).predict_proba(X)
    fit(head, others, np.char.add("x", labels))
    np.testing.assert_array_equal(fit(head, X, y).predict_proba(X), fresh)


def test_unlabelled_clips_are_no_class(head):
    X, y = overlapping()
    spare, _ = overlapping(40, seed=5)
    fit(head, X, y, unlabelled=spare)
    assert head.classes_.tolist() == ["cat", "hen", "owl"]
    assert (decided(head, spare) == np.repeat(["cat", "hen", "owl"], 40)).mean() > 0.6


def test_where_steps_and_head_look_at_labelled_clips_alone_no_others_matter():
    X, y = overlapping()
    one, other = (
        fit(make(system("standardised")), X, y, unlabelled=of).predict_proba(X)
        for of in (None, 50 + X)
    )
    np.testing.assert_array_equal(one, other)


def test_scale_and_offset_of_a_dimension_do_not_matter_once_standardised(named):
    X, y = overlapping()
    X = X.astype(np.float64)
    scaled = X * np.geomspace(0.01, 100, X.shape[1]) + 7
    plain = make(named, steps=system("standardised").steps)
    one, other = (decided(fit(plain, of, y), of) for of in (X, scaled))
    assert (one == other).mean() > 0.97


@pytest.mark.parametrize("name", QUICK)
def test_heads_fitted_together_are_heads_fitted_one_by_one(name):
    """Of supports of unequal sizes and classes, each with unlabelled clips of its own."""
    named = system(name)
    X, y = overlapping()
    spare, _ = overlapping(10, seed=5)
    rows = [np.r_[0:3, 30:40, 60:62], np.r_[0:90], np.r_[0:5, 60:75]]
    weights = [np.linspace(0.5, 1, len(at)) for at in rows]
    if named.head == "knn":
        weights = [None] * 3
    others = (spare, spare[:7], spare)
    sets = [
        LearningSet(Examples.of_rows(X[at], y[at], weights=weight), of_no_label(of))
        for at, weight, of in zip(rows, weights, others, strict=True)
    ]
    together = [make(named) for _ in sets]
    assert list(Head.fit_many(together, sets)) == together
    for head, at, weight, of in zip(together, rows, weights, others, strict=True):
        alone = fit(make(named), X[at], y[at], weight=weight, unlabelled=of)
        assert head.classes_.tolist() == sorted(set(y[at]))
        np.testing.assert_allclose(head.predict_proba(X), alone.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("fit_steps_on", ["unlabelled", "labelled"])
def test_steps_of_the_same_rows_are_fitted_once_and_are_the_same(fit_steps_on):
    """Whichever of the rows are labelled; but those fitted on labelled rows are each their own."""
    X, y = overlapping(20)
    every = Examples.of_rows(X, y)
    picked = [np.flatnonzero(np.arange(60) % 10 == at) for at in range(4)]
    spare = [np.setdiff1d(np.arange(60 if n < 2 else 50), at) for n, at in enumerate(picked)]
    sets = [
        LearningSet(every.select(at), every.select(of))
        for at, of in zip(picked, spare, strict=True)
    ]
    heads = [make(system("logistic"), fit_steps_on=fit_steps_on) for _ in sets]
    list(Head.fit_many(heads, sets))  # dealt in two, two heads each
    for first in (0, 2):
        shared = heads[first].steps_ is heads[first + 1].steps_
        assert shared == (fit_steps_on == "unlabelled" and first == 0)
    for head, at, of in zip(heads, picked, spare, strict=True):
        alone = make(system("logistic"), fit_steps_on=fit_steps_on)
        fit(alone, X[at], y[at], unlabelled=X[of])
        np.testing.assert_allclose(head.predict_proba(X), alone.predict_proba(X), atol=1e-3)


def test_the_outputs_of_the_head_before_are_a_further_block():
    X, y = overlapping()
    before = fit(make(system("logistic")), X[:, ::-1], y)
    head = make(system("logistic"), blocks=[2, 4], source_head=before)
    fit(head, X, y)
    outputs = before.predict_proba(X)
    alone = Steps(system("logistic").steps).fit_transform(outputs)
    shaped = head.steps_.transform(np.hstack([X, outputs]))
    assert shaped.shape == (90, 9)
    np.testing.assert_allclose(shaped[:, 6:], SOURCE_WEIGHT * alone, atol=1e-9)
    np.testing.assert_allclose(  # the embedding is as it is without
        shaped[:, :6], fit(make(system("logistic"), blocks=[2, 4]), X, y).steps_.transform(X)
    )
    assert head.n_features_in_ == 6


def test_a_head_before_that_knows_the_classes_helps_where_clips_are_few():
    X, y = overlapping(120, dim=40)
    taught = fit(make(system("logistic")), X[1::2], np.char.add("source of ", y[1::2]))
    X, y = X[::2], y[::2]
    right = {False: 0.0, True: 0.0}
    for draw in range(10):
        few = draw + np.array([0, 60, 120])
        for knows in right:
            head = make(system("logistic"), source_head=taught if knows else None)
            fit(head, X[few], y[few], unlabelled=X)
            right[knows] += (decided(head, X) == y).mean() / 10
    assert right[True] > right[False] + 0.05


def test_a_stored_head_gives_the_same_probabilities(named, tmp_path):
    """Alone, joined, after a head of the source: whatever a run may hand on."""
    X, y = overlapping()
    spare, _ = overlapping(10, seed=5)
    source_head = fit(make(system("rectified")), X, np.char.add("source of ", y))
    joined = make(named, blocks=[2, 4], source_head=source_head)
    fit(joined, X, y, unlabelled=spare)
    for at, head in enumerate((fit(make(named), X, y), joined)):
        head.save(tmp_path / f"{at}")
        loaded = Head.load(tmp_path / f"{at}")
        np.testing.assert_array_equal(loaded.predict_proba(X), head.predict_proba(X))
        assert loaded.classes_.tolist() == head.classes_.tolist()


@pytest.mark.parametrize("blocks", [None, [2, 4]])
def test_a_stored_detector_gives_the_same_scores(blocks, tmp_path):
    X, y = overlapping()
    detector = Novelty(blocks=blocks).fit(X, y, background=-X[:20])
    save_object(detector, tmp_path / "unknown.skops")
    loaded = load_object(tmp_path / "unknown.skops")
    np.testing.assert_array_equal(loaded.score(X), detector.score(X))
    np.testing.assert_array_equal(loaded.background_scores_, detector.background_scores_)


class Foreign(StandardScaler):
    """A type that no head holds."""


def test_a_stored_head_of_foreign_types_is_refused_and_the_types_named(tmp_path):
    skops.io.dump(Foreign().fit(np.eye(2)), tmp_path / "head.skops")
    with pytest.raises(
        StoreError, match=r"head\.skops holds types that are not trusted: .*Foreign"
    ):
        load_object(tmp_path / "head.skops")


def test_a_stored_head_is_no_pickle(tmp_path):
    X, y = overlapping()
    save_object(fit(make_head("logistic"), X, y), tmp_path / "head.skops")
    assert (tmp_path / "head.skops").read_bytes()[:2] == b"PK"  # a zip of JSON and arrays


STORE = """
import sys
import subprocess
import sys
from pathlib import Path
import numpy as np
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head

spare = [np.ones(int(sys.argv[2])) for _ in range(int(sys.argv[2]))]  # moves what comes after it
X, y = np.random.default_rng(0).normal(size=(12, 4)), ["a", "b", "c"] * 4
head = make_head(sys.argv[1], steps=("power", "standardise"))
head.fit(Examples.of_rows(X, y)).save(Path(sys.argv[3]))
"""


@pytest.mark.parametrize("name", ["prototype_rectified", "knn"])
def test_what_learned_the_same_is_the_same_bytes(name, tmp_path):
    for at in (1, 2):
        command = [sys.executable, "-c", STORE, name, f"{10**at}", tmp_path / f"{at}"]
        subprocess.run(command, check=True)
    one, two = (tmp_path / f"{at}" / "head.skops" for at in (1, 2))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("content", [b"", b"no head", b"PK\x03\x04 torn"])
def test_a_file_that_is_no_head_is_refused(tmp_path, content):
    file = tmp_path / "head.skops"
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"head\.skops is not a stored head"):
        load_object(file)


def test_a_torn_head_is_refused(tmp_path):
    X, y = overlapping()
    file = tmp_path / "head.skops"
    save_object(fit(make_head("logistic"), X, y), file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(StoreError, match=r"head\.skops is not a stored head"):
        load_object(file)


def test_a_head_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="FileNotFoundError"):
        load_object(tmp_path / "head.skops")


def test_an_unknown_head_gets_the_nearest():
    with pytest.raises(ParameterError, match=r"head: unknown value 'protoype'.*'prototype'"):
        make_head("protoype")


@pytest.mark.parametrize("name", HEADS.names())
def test_an_unknown_setting_is_named_with_its_head(name):
    with pytest.raises(ParameterError, match=f"head {name}.temprature"):
        make_head(name, {"temprature": 1})


def test_the_prototype_is_the_direction_of_the_weighted_mean_and_cosines_decide():
    X = np.array([[1.0, 0.0], [3.0, 4.0], [0.0, -4.0]])
    prototype = HEADS["prototype"](temperature=0.5)
    prototype.fit(X, ["owl", "owl", "cat"], sample_weight=[1.0, 2.0, 5.0])
    assert prototype.classes_.tolist() == ["cat", "owl"]
    owl = np.array([7, 8]) / np.sqrt(7**2 + 8**2)
    np.testing.assert_allclose(prototype.prototypes_, [[0, -1], owl])
    expected = softmax([[0, owl[0] / 0.5]], axis=1)
    for length in (1, 9):  # which does not count
        np.testing.assert_allclose(prototype.predict_proba([[length, 0.0]]), expected)
    assert prototype.predict([[1.0, 0.0]]).tolist() == ["owl"]


def test_neighbours_are_at_most_as_many_as_there_are_clips():
    X, y = overlapping(2)
    assert fit(make_head("knn", {"neighbours": 15}), X, y).classifier_.n_neighbors == 6
    X, y = overlapping(20)
    assert fit(make_head("knn", {"neighbours": 15}), X, y).classifier_.n_neighbors == 15


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
    learned, scores = ["cat", "music", "owl"], np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(columns(scores, learned, classes), expected)
