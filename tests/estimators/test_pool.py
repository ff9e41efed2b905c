"""Pooling of windows: every method by hand, and the choice among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from faunashot.errors import ParameterError
from faunashot.estimators.examples import Examples
from faunashot.estimators.pooling import METHODS, SHARPNESS, best_pooling, pool
from faunashot.features.store import Features, FeatureSpec


def clips(
    counts: list[int], *, labels: list[str] | None = None, multi_label: bool = False
) -> Examples:
    """Clips of windows of a second, of which the last covers half of one."""
    n = sum(counts)
    end_s = np.ones(n)
    end_s[np.cumsum(counts) - 1] = 0.5
    index = pd.DataFrame({"clip_id": "x", "start_s": 0.0, "end_s": end_s})
    features = Features(np.zeros((n, 1), np.float32), index, FeatureSpec("x", "", "", 1, 1, 1, 1))
    found = Examples.of_recording(features, ["cat", "owl"], multi_label=multi_label)
    names = labels or ["cat"] * len(counts)
    return replace(
        found,
        clip_ids=tuple(map(str, range(len(counts)))),
        labels=np.array(names),
        groups=np.array(names),
        counts=np.array(counts),
    )


SCORES = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])


def shared(row: list[float]) -> np.ndarray:
    return np.array(row) / np.sum(row)


def by_hand(how: str) -> np.ndarray:
    """Of three windows, of which the last is half a second."""
    share = np.array([1, 1, 0.5]) / 2.5
    if how == "mean_probability":
        return share @ SCORES
    if how == "mean_logit":
        return shared(np.exp(share @ np.log(SCORES)))
    if how == "maximum":
        return shared([0.9, 0.8])
    if how == "noisy_or":
        return shared(1 - np.prod((1 - SCORES) ** np.array([[1], [1], [0.5]]), axis=0))
    weight = share[:, None] * np.exp(SHARPNESS * SCORES)
    return shared((weight * SCORES).sum(axis=0) / weight.sum(axis=0))


@pytest.mark.parametrize("how", METHODS)
def test_each_method_is_what_it_is_by_hand(how):
    pooled = pool(np.vstack([SCORES[:1], SCORES]), clips([1, 3]), how=how)
    np.testing.assert_allclose(pooled[0], SCORES[0], atol=1e-6)
    np.testing.assert_allclose(pooled[1], by_hand(how), atol=1e-6)


@pytest.mark.parametrize("how", METHODS)
@given(hnp.arrays(np.float64, (5, 2), elements=st.floats(0, 1)))
def test_several_labels_are_pooled_each_by_itself(how, scores):
    examples = clips([2, 3], multi_label=True)
    both = pool(scores, examples, how=how)
    assert ((both >= 0) & (both <= 1)).all()
    other = scores.copy()
    other[:, 1] = 0.5
    np.testing.assert_array_equal(both[:, 0], pool(other, examples, how=how)[:, 0])
    if how != "noisy_or":  # any window may be the one: more of them, more likely
        highest = np.maximum.reduceat(scores, [0, 2])
        assert (both <= highest + 1e-6).all()


def test_the_method_under_which_validation_clips_are_likeliest_is_chosen():
    """A call in one window of ten: the mean misses it, the maximum does not."""
    quiet, call = [0.55, 0.45], [0.05, 0.95]
    scores = np.array(([quiet] * 9 + [call]) * 2 + [quiet] * 20)
    labels = ["owl", "owl", "cat", "cat"]
    assert best_pooling(scores, clips([10] * 4, labels=labels)) != "mean_probability"
    alike = np.full((8, 2), 0.5)
    assert best_pooling(alike, clips([2] * 4, labels=labels)) == next(iter(METHODS))


def test_an_unknown_method_gets_the_nearest():
    with pytest.raises(ParameterError, match="did you mean 'maximum'"):
        pool(SCORES, clips([3]), how="maximun")
