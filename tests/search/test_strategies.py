"""The contract of a strategy, over all that are registered, and what each is for."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.search.strategies import STRATEGIES
from faunashot.search.strategies.base import Pool, to_nearest


def pool(n: int = 40, *, seed: int = 0, labelled: int = 3, multi_label: bool = False) -> Pool:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(4), n) if not multi_label else rng.random((n, 4))
    groups = np.array([f"g{at // 2}" for at in range(n)])
    X, others = rng.standard_normal((n, 5)), rng.standard_normal((labelled, 5))
    return Pool(probabilities, X, groups, others, multi_label=multi_label)


@pytest.mark.parametrize("labelled", [0, 3])
@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("name", STRATEGIES)
def test_each_is_chosen_once_and_again_by_the_same_seed(
    name: str, multi_label: bool, labelled: int
) -> None:
    given = pool(labelled=labelled, multi_label=multi_label)
    for n in (1, 7, len(given)):
        chosen, again = (
            STRATEGIES[name]().choose(given, n, rng=np.random.default_rng(5)) for _ in range(2)
        )
        assert chosen.tolist() == again.tolist()
        assert len(set(chosen.tolist())) == n
        assert set(chosen.tolist()) <= set(range(len(given)))


@pytest.mark.parametrize("name", STRATEGIES)
def test_equal_ones_and_sure_ones_can_all_be_chosen(name: str) -> None:
    n = 6
    given = Pool(
        np.tile([1.0, 0.0], (n, 1)), np.ones((n, 3)), np.array(["g"] * n), np.zeros((0, 3))
    )
    chosen = STRATEGIES[name]().choose(given, n, rng=np.random.default_rng(0))
    assert sorted(chosen.tolist()) == list(range(n))


def test_what_the_model_is_unsure_of_comes_first() -> None:
    probabilities = np.array([[0.9, 0.1], [0.52, 0.48], [0.3, 0.7], [0.5, 0.5]])
    given = Pool(probabilities, np.eye(4), np.array(list("abcd")), np.zeros((0, 4)))
    assert given.uncertainty == pytest.approx([0.2, 0.96, 0.6, 1.0])
    chosen = STRATEGIES["uncertainty"]().choose(given, 3, rng=np.random.default_rng(0))
    assert chosen.tolist() == [3, 1, 2]
    of_one = Pool(probabilities, np.eye(4), np.array(list("aabb")), np.zeros((0, 4)))
    chosen = STRATEGIES["uncertainty"]().choose(of_one, 3, rng=np.random.default_rng(0))
    assert chosen.tolist() == [3, 1, 2]
    several = Pool(
        np.array([[0.9, 0.45], [0.1, 0.0]]),
        np.eye(2),
        np.array(["a", "b"]),
        np.zeros((0, 2)),
        multi_label=True,
    )
    assert several.uncertainty == pytest.approx([0.9, 0.2])


def test_what_sounds_unlike_the_labelled_comes_first() -> None:
    X = np.array([[0.0], [1.0], [2.0], [10.0], [10.5]])
    even = np.full((5, 2), 0.5)
    given = Pool(even, X, np.array(list("abcde")), np.array([[0.0]]))
    for name in ("diversity", "both"):
        chosen = STRATEGIES[name]().choose(given, 2, rng=np.random.default_rng(0))
        assert chosen.tolist() == [4, 2]
    sure = even.copy()
    sure[4] = [1.0, 0.0]
    unsure = Pool(sure, X, np.array(list("abcde")), np.array([[0.0]]))
    assert STRATEGIES["both"]().choose(unsure, 1, rng=np.random.default_rng(0)).tolist() == [3]
    assert STRATEGIES["diversity"]().choose(unsure, 1, rng=np.random.default_rng(0)).tolist() == [4]


def test_distances_to_the_nearest_are_those_of_each_pair() -> None:
    rng = np.random.default_rng(0)
    X, others = rng.standard_normal((9, 4)), rng.standard_normal((600, 4))
    truth = ((X[:, None] - others[None]) ** 2).sum(axis=2).min(axis=1)
    assert to_nearest(X, others) == pytest.approx(truth)
    assert np.isinf(to_nearest(X, others[:0])).all()
