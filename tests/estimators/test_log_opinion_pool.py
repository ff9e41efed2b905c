"""The pool of heads: its weights follow left-out rows, and its parts do not share a recording."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from faunashot.estimators.examples import Examples
from faunashot.estimators.head import Head, make_head
from faunashot.estimators.heads.log_opinion_pool import LogOpinionPool, _left_out, _weights
from faunashot.estimators.support import Support

NAMES = np.array(["cat", "cow", "dog"])


def blocks(k: int, *, telling: int, seed: int = 0, noise: float = 0.3) -> Support:
    """Rows of two blocks of 8 columns, of which one tells the classes; and unlabelled ones."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 8))

    def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
        of = np.repeat(np.arange(3), n)
        says = centres[of] + noise * rng.normal(size=(3 * n, 8))
        nothing = rng.normal(size=(3 * n, 8))
        pair = (says, nothing) if telling == 0 else (nothing, says)
        return np.hstack(pair), NAMES[of]

    (X, y), (spare, _) = rows(k), rows(20)
    return Support(X, y, unlabelled=spare, blocks=[8, 8])


def fitted(support: Support) -> LogOpinionPool:
    head = LogOpinionPool()
    LogOpinionPool.fit_stack([head], [support])
    return head


@pytest.mark.parametrize("telling", [0, 1])
def test_the_block_that_tells_the_classes_weighs_more(telling):
    head = fitted(blocks(30, telling=telling, noise=1.0))
    of_blocks = head.weights_[1:]
    assert of_blocks[telling] > 5 * of_blocks[1 - telling]
    assert head.weights_[0] < 0.5  # it has the block that says nothing in it


@pytest.mark.parametrize("k", [1, 5])
def test_with_few_rows_a_class_the_prior_stands(k):
    head = fitted(blocks(k, telling=0))
    np.testing.assert_array_equal(head.weights_, [1, 0.2, 0.2])


def test_the_answer_is_the_weighted_sum_of_the_members_logarithms():
    support = blocks(6, telling=0)
    head = fitted(support)
    said = [
        log_softmax(member.decision_function(support.X[:, start:end]), axis=1)
        for member, (start, end) in zip(head.members_, head.spans_, strict=True)
    ]
    assert head.spans_ == [(0, 16), (0, 8), (8, 16)]
    together = log_softmax(np.tensordot(head.weights_, said, 1), axis=1)
    np.testing.assert_allclose(np.log(head.predict_proba(support.X)), together, atol=1e-9)


def test_weights_are_where_the_likelihood_and_the_prior_balance():
    """Against a search on a grid, with one member: its weight is an inverse temperature."""
    rng = np.random.default_rng(3)
    truth = rng.integers(3, size=40)
    scores = log_softmax(rng.normal(size=(1, 40, 3)) + 4 * np.eye(3)[truth] * rng.random(), axis=2)
    (found,) = _weights(scores, truth, prior=np.array([1.0]), spread=1.0)

    def unlikely(weight: float) -> float:
        loss = -log_softmax(weight * scores[0], axis=1)[np.arange(40), truth].sum()
        return float(loss + np.log(weight) ** 2 / 2)

    grid = np.geomspace(0.05, 20, 4000)
    assert found == pytest.approx(grid[np.argmin([unlikely(w) for w in grid])], rel=0.01)


def test_recordings_are_left_out_whole_and_some_of_each_class_stay():
    y = np.repeat(NAMES, [8, 4, 3])
    group = np.array([*"aabbcxyz", *"dddd", *"efg"])
    assert _left_out(Support(np.zeros((14, 2)), y[1:], group=np.array(["b", *group[2:]]))) == []
    parts = _left_out(Support(np.zeros((15, 2)), y, group=group))
    assert len(parts) == 5
    for out in parts:
        assert not set(group[out]) & set(group[~out])
        assert set(y[~out]) == set(NAMES)
    assert np.sum(parts, axis=0).tolist() == [1] * 8 + [0] * 4 + [1] * 3  # cows are one recording


def test_rows_of_the_source_are_never_left_out():
    y, among = np.repeat(NAMES, 6), np.repeat([True, False, True], 6)
    parts = _left_out(Support(np.zeros((18, 2)), y, among=among))
    assert not np.any([out[~among] for out in parts])
    assert np.all(np.any([out[among] for out in parts], axis=0))


def test_it_is_stored_and_loaded_without_pickle(tmp_path):
    support = blocks(5, telling=1)
    spare = Examples.of_rows(support.unlabelled, [""] * len(support.unlabelled))
    head = make_head("log_opinion_pool", steps=(), blocks=[8, 8])
    head.fit(Examples.of_rows(support.X, support.y), unlabelled=spare)
    head.save(tmp_path / "head")
    again = Head.load(tmp_path / "head")
    np.testing.assert_array_equal(again.predict_proba(support.X), head.predict_proba(support.X))


def test_a_class_of_the_source_is_learned_and_scored():
    support = blocks(5, telling=0)
    head = fitted(support._replace(among=support.y != "cow", weight=np.ones(15)))
    assert head.classes_.tolist() == NAMES.tolist()
    assert (head.predict(support.X) == support.y).mean() > 0.9
