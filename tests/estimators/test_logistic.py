"""Many heads at once are the heads one by one, and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from faunashot.estimators.heads.logistic import Logistic
from faunashot.estimators.heads.prototype_rectified import PrototypeRectifiedLogistic
from faunashot.estimators.support import Support

NAMES = np.array(["ant", "bee", "cat", "dog", "elk"])


def drawn(counts: list[int], dim: int, *, seed: int, weighted: bool = False) -> Support:
    """Rows of as many classes as there are counts, Gaussians near each other."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(NAMES[: len(counts)], counts))
    centres = 1.5 * rng.normal(size=(len(NAMES), dim)) / np.sqrt(dim)
    X = centres[np.searchsorted(NAMES, labels)] + rng.normal(size=(len(labels), dim)) / np.sqrt(dim)
    weight = rng.uniform(0.05, 2, len(labels)) if weighted else None
    return Support(X, labels, weight)


def fitted_together(supports: list[Support], head: Logistic) -> list[Logistic]:
    heads = [clone(head) for _ in supports]
    type(head).fit_stack(heads, supports)
    return heads


UNEQUAL = [([1, 1], 40), ([3, 1, 7], 40), ([30, 12, 20], 6), ([2, 5, 3, 4, 9], 15), ([8, 8], 16)]
"""Counts of classes and dimensions: fewer rows than dimensions, more, and as many."""


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("C", [0.1, 30.0])
def test_the_objective_is_scikit_learns(C, weighted):
    for seed, (counts, dim) in enumerate(UNEQUAL):
        support = drawn(counts, dim, seed=seed, weighted=weighted)
        ours = Logistic(C=C).fit(support.X, support.y, sample_weight=support.weight)
        theirs = LogisticRegression(C=C, tol=1e-9, max_iter=20_000)
        rows = np.random.default_rng(9).normal(size=(50, dim)) / np.sqrt(dim)
        if len(counts) == 2:  # scikit-learn's of two classes has one vector, so another penalty
            expected = _two_classes(support, C, rows)
        else:
            theirs.fit(support.X, support.y, sample_weight=support.weight)
            expected = theirs.predict_proba(rows)
            assert ours.classes_.tolist() == theirs.classes_.tolist()
        np.testing.assert_allclose(ours.predict_proba(rows), expected, atol=1e-3)


def _two_classes(support: Support, C: float, rows: np.ndarray) -> np.ndarray:
    """Of w, -w the penalty is twice that of one vector 2w over four: a head of half the penalty."""
    one = LogisticRegression(C=2 * C, tol=1e-9, max_iter=20_000)
    return one.fit(support.X, support.y, sample_weight=support.weight).predict_proba(rows)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "head", [Logistic(), Logistic(C=0.3), PrototypeRectifiedLogistic()], ids=str
)
def test_fitted_together_is_fitted_one_by_one(head, weighted):
    """Supports of other sizes, classes and balance neither help nor disturb each other."""
    for dim in (6, 40):
        supports = [drawn(c, dim, seed=n, weighted=weighted) for n, (c, _) in enumerate(UNEQUAL)]
        rows = np.random.default_rng(9).normal(size=(50, dim)) / np.sqrt(dim)
        for support, together in zip(supports, fitted_together(supports, head), strict=True):
            alone = clone(head).fit(support.X, support.y, sample_weight=support.weight)
            assert together.classes_.tolist() == alone.classes_.tolist()
            np.testing.assert_allclose(
                together.predict_proba(rows), alone.predict_proba(rows), atol=1e-3
            )


def test_the_order_of_heads_and_of_rows_does_not_matter():
    supports = [drawn(counts, 12, seed=n) for n, (counts, _) in enumerate(UNEQUAL)]
    rows = np.random.default_rng(9).normal(size=(20, 12)) / np.sqrt(12)
    ahead, back = (fitted_together(of, Logistic()) for of in (supports, supports[::-1]))
    turned = [Support(s.X[::-1], s.y[::-1]) for s in supports]
    for one, *others in zip(ahead, back[::-1], fitted_together(turned, Logistic()), strict=True):
        for other in others:
            np.testing.assert_allclose(
                one.predict_proba(rows), other.predict_proba(rows), atol=1e-3
            )


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_the_gradient_is_zero_where_it_stops(data):
    counts = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    dim = data.draw(st.sampled_from([1, 3, 30]))
    C = data.draw(st.sampled_from([0.1, 1.0, 30.0]))
    X, y, weight, *_ = drawn(counts, dim, seed=data.draw(st.integers(0, 99)), weighted=True)
    head = Logistic(C=C).fit(X, y, sample_weight=weight)
    truth = (y[:, None] == head.classes_).astype(float)
    miss = weight[:, None] * (head.predict_proba(X) - truth)
    assert np.abs(miss.T @ X + head.coef_ / C).max() < 2e-3
    assert np.abs(miss.sum(axis=0)).max() < 2e-3  # the intercept is not penalised


def test_weights_are_repetitions():
    """A row of weight three is three rows, and one of weight nothing is none."""
    support = drawn([4, 6, 3], 20, seed=1)
    times = np.random.default_rng(1).integers(0, 4, len(support.y))
    times[:2] = 3, 0
    repeated = np.repeat(np.arange(len(times)), times)
    one = Logistic().fit(support.X, support.y, sample_weight=times)
    other = Logistic().fit(support.X[repeated], support.y[repeated])
    rows = drawn([9, 9, 9], 20, seed=2).X
    np.testing.assert_allclose(one.predict_proba(rows), other.predict_proba(rows), atol=1e-3)


def test_copies_of_a_row_and_rows_of_nothing_are_learned_from_all_the_same():
    """In fewer rows than dimensions: what they span is less than they are."""
    support = drawn([2, 2, 2], 30, seed=1)
    X = np.concatenate([support.X, support.X, np.zeros((3, 30))])
    y = np.concatenate([support.y, support.y, NAMES[:3]])
    theirs = LogisticRegression(C=30.0, tol=1e-9, max_iter=20_000).fit(X, y)
    rows = drawn([9, 9, 9], 30, seed=2).X
    ours = Logistic().fit(X, y).predict_proba(rows)
    np.testing.assert_allclose(ours, theirs.predict_proba(rows), atol=1e-3)
    silent = Logistic().fit(np.zeros((3, 30)), NAMES[:3])
    np.testing.assert_allclose(silent.predict_proba(rows), 1 / 3, atol=1e-6)


def test_an_offset_of_all_rows_is_the_intercepts_alone():
    support = drawn([9, 8, 7], 4, seed=1)
    rows = drawn([9, 9, 9], 4, seed=2).X
    plain = Logistic().fit(support.X, support.y)
    moved = Logistic().fit(support.X + 1, support.y)
    np.testing.assert_allclose(moved.coef_, plain.coef_, atol=0.02)
    np.testing.assert_allclose(moved.predict_proba(rows + 1), plain.predict_proba(rows), atol=1e-3)


def test_probabilities_are_the_softmax_of_the_logits():
    support = drawn([5, 5, 5], 8, seed=1)
    head = Logistic().fit(support.X, support.y)
    logits = support.X @ head.coef_.T + head.intercept_
    np.testing.assert_array_equal(head.decision_function(support.X), logits)
    np.testing.assert_allclose(head.predict_proba(support.X), softmax(logits, axis=1))
    winners = head.classes_[logits.argmax(axis=1)]
    np.testing.assert_array_equal(head.predict(support.X), winners)


def clustered(k: int, *, seed: int, dim: int = 24, spare: int = 40) -> tuple[Support, Support]:
    """A support of k rows a class with unlabelled rows of the same classes, and rows to score."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, dim))
    centres *= 1.6 / np.linalg.norm(centres, axis=1, keepdims=True)

    def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
        of = np.repeat(np.arange(3), n)
        return centres[of] + 0.35 * rng.normal(size=(3 * n, dim)), NAMES[of]

    (known, labels), (unknown, _), tested = rows(k), rows(spare), rows(60)
    return Support(known, labels, None, unknown), Support(*tested)


def accuracy(head: Logistic, support: Support, tested: Support) -> float:
    head.fit(support.X, support.y, unlabelled=support.unlabelled)
    return float((head.predict(tested.X) == tested.y).mean())


def test_rectified_without_unlabelled_rows_is_logistic():
    for counts, dim in UNEQUAL:
        support = drawn(counts, dim, seed=1)
        plain = Logistic().fit(support.X, support.y)
        for spare in (None, np.zeros((0, dim))):
            rectified = PrototypeRectifiedLogistic().fit(support.X, support.y, unlabelled=spare)
            np.testing.assert_array_equal(rectified.coef_, plain.coef_)
            np.testing.assert_array_equal(rectified.intercept_, plain.intercept_)


def test_unlabelled_rows_that_cluster_help_where_there_is_one_clip_a_class():
    gains = [
        accuracy(PrototypeRectifiedLogistic(), *episode) - accuracy(Logistic(), *episode)
        for episode in (clustered(1, seed=seed) for seed in range(10))
    ]
    assert np.mean(gains) > 0.05
    assert min(gains) > -0.02


def test_where_there_are_many_clips_unlabelled_rows_hardly_matter():
    gains = [
        accuracy(PrototypeRectifiedLogistic(), *episode) - accuracy(Logistic(), *episode)
        for episode in (clustered(30, seed=seed) for seed in range(3))
    ]
    assert np.abs(gains).max() < 0.02


def test_a_rectified_row_is_the_moved_mean_of_its_class():
    """One class whose row lies off, with unlabelled rows where the class is: they draw it over."""
    known = np.array([[1.0, 1.0], [-1.0, 0.0]])
    unknown = np.array([[0.0, 2.0], [0.0, 3.0], [-2.0, 0.0]])
    support = Support(known, np.array([0, 1]), np.ones(2), unknown)
    extended = PrototypeRectifiedLogistic(weight=7.0).extended(support)
    np.testing.assert_array_equal(extended.X[:2], known)
    assert extended.y.tolist() == [0, 1, 0, 1]
    assert extended.weight.tolist() == [1, 1, 7, 7]
    length = (np.sqrt(2) + 1) / 2  # as long as rows are in the mean
    np.testing.assert_allclose(np.linalg.norm(extended.X[2:], axis=1), length)
    angle = np.degrees(np.arctan2(extended.X[2:, 1], extended.X[2:, 0]))
    # the mean of 45 degrees and two of 90; and 180 degrees as it was
    assert angle == pytest.approx([75.4, 180], abs=0.5)


def test_rows_that_are_no_numbers_are_refused():
    X, y = np.eye(4), np.array(["cat", "dog"] * 2)
    with pytest.raises(ValueError, match="NaN"):
        Logistic().fit(np.where(X > 0, np.nan, X), y)
    with pytest.raises(ValueError, match="3 features"):
        Logistic().fit(X, y).predict_proba(X[:, :3])


def test_unlabelled_rows_move_only_the_classes_that_they_may_be_of():
    support = drawn([3, 3, 3], 8, seed=4)
    spare = drawn([9, 9, 9], 8, seed=5).X
    among = support.y != np.unique(support.y)[-1]
    coded = support._replace(
        y=np.unique(support.y, return_inverse=True)[1],
        weight=np.ones(len(support.y)),
        unlabelled=spare,
        among=among,
    )
    added = PrototypeRectifiedLogistic().extended(coded).y[len(support.y) :]
    assert added.tolist() == [0, 1]


def test_parts_take_half_of_the_weight_of_their_row():
    y, weight = np.array(["cat", "dog"]), np.array([1.0, 4.0])
    parts, of = np.arange(6.0).reshape(3, 2), np.array([0, 0, 1])
    rows = Support(np.eye(2), y, weight, windows=parts, window_of=of).with_windows()
    np.testing.assert_array_equal(rows.X, np.vstack([np.eye(2), parts]))
    assert rows.y.tolist() == ["cat", "dog", "cat", "cat", "dog"]
    assert rows.weight.tolist() == [0.5, 2.0, 0.25, 0.25, 2.0]
    assert Support(np.eye(2), y).with_windows().weight is None


def test_parts_that_are_copies_of_their_row_change_nothing():
    for make in (Logistic, PrototypeRectifiedLogistic):
        support, _ = clustered(3, seed=2)
        copied = support._replace(windows=support.X[[0, 0, 4]], window_of=np.array([0, 0, 4]))
        plain, parted = make(), make()
        make.fit_stack([plain], [support])
        make.fit_stack([parted], [copied])
        np.testing.assert_allclose(parted.coef_, plain.coef_, atol=1e-3)


def test_rows_that_are_left_out_join_the_unlabelled_ones():
    parts, of = np.arange(8.0).reshape(4, 2), np.array([0, 1, 1, 2])
    support = Support(
        np.arange(6.0).reshape(3, 2),
        np.array(["cat", "dog", "owl"]),
        np.array([1.0, 2.0, 3.0]),
        np.full((1, 2), 9.0),
        windows=parts,
        window_of=of,
        group=np.array(["a", "b", "c"]),
    )
    kept = support.only(np.array([True, False, True]))
    assert kept.y.tolist() == ["cat", "owl"]
    assert kept.weight.tolist() == [1, 3]
    assert kept.group.tolist() == ["a", "c"]
    assert kept.unlabelled.tolist() == [[9, 9], [2, 3]]
    assert kept.windows is None
