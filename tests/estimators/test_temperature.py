"""Temperature scaling: what it must not change, and what it must put right."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import softmax

from faunashot.errors import ParameterError
from faunashot.estimators.calibration import BOUNDS, fit_temperature, temper

SCORES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
    elements=st.floats(0, 1, width=32),
)
TEMPERATURES = st.floats(*BOUNDS)


def pooled_loss(scores, clip, weight, truth) -> float:
    """Mean negative log-likelihood of the clips, a clip after the other."""
    losses = []
    for number, true in enumerate(truth):
        mean = np.average(scores[clip == number], axis=0, weights=weight[clip == number])
        share = mean[true] / mean.sum() if mean.any() else 1 / len(mean)
        losses.append(-np.log(max(share, 1e-12)))
    return float(np.mean(losses))


def simulated(temperature: float, *, clips: int = 4000, windows: int = 1, classes: int = 4):
    """Scores of a head that is right as often as it says once tempered so, and the truth."""
    rng = np.random.default_rng(0)
    clip = np.repeat(np.arange(clips), windows)
    logits = 2 * rng.normal(size=(clips * windows, classes))
    weight = rng.uniform(0.5, 1, size=len(clip))
    honest = softmax(logits, axis=1)
    pooled = np.zeros((clips, classes))
    np.add.at(pooled, clip, weight[:, None] * honest)
    pooled /= pooled.sum(axis=1, keepdims=True)
    truth = (pooled.cumsum(axis=1) > rng.random((clips, 1))).argmax(axis=1)
    return softmax(logits * temperature, axis=1), clip, weight, truth


@given(SCORES, TEMPERATURES)
def test_rows_keep_their_sum_and_their_order(scores, temperature):
    tempered = temper(scores, temperature)

    assert np.isfinite(tempered).all()
    np.testing.assert_allclose(tempered.sum(axis=1), scores.sum(axis=1), rtol=1e-9)
    for row, of in zip(tempered, scores, strict=True):
        assert (np.diff(row[np.argsort(of, kind="stable")]) >= 0).all()


@given(SCORES, TEMPERATURES)
def test_one_temperature_undoes_its_inverse_and_one_changes_nothing(scores, temperature):
    assert (temper(scores, 1) == scores).all()
    soft = 0.05 + scores  # what a temperature has flattened to 0 no other brings back
    there_and_back = temper(temper(soft, max(temperature, 0.2)), 1 / max(temperature, 0.2))
    np.testing.assert_allclose(there_and_back, soft, rtol=1e-6)


def test_tempering_by_hand():
    # of 0.8, 0.2 the square roots are as 2 to 1
    np.testing.assert_allclose(
        temper([[0.8, 0.2], [0, 0], [1, 0]], 2), [[2 / 3, 1 / 3], [0, 0], [1, 0]]
    )


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_with_a_window_a_clip_the_winner_stays_and_the_fit_is_never_worse(data):
    n = data.draw(st.integers(1, 8))
    row = st.lists(st.sampled_from([0.0, 1e-300, 0.01, 0.2, 0.3, 1.0]), min_size=3, max_size=3)
    scores = np.array(data.draw(st.lists(row, min_size=n, max_size=n)))
    truth = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    alone, ones = np.arange(n), np.ones(n)

    temperature = fit_temperature(scores, alone, weight=ones, truth=truth)
    tempered = temper(scores, temperature)

    assert BOUNDS[0] <= temperature <= BOUNDS[1]
    assert (tempered[alone, scores.argmax(axis=1)] == tempered.max(axis=1)).all()
    before = pooled_loss(scores, alone, ones, truth)
    assert pooled_loss(tempered, alone, ones, truth) <= before + 1e-9


@pytest.mark.parametrize("windows", [1, 5])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_a_head_that_is_too_sure_is_found(temperature, windows):
    scores, clip, weight, truth = simulated(temperature, windows=windows)

    found = fit_temperature(scores, clip, weight=weight, truth=truth)

    assert found == pytest.approx(temperature, rel=0.1)


def test_the_fit_is_of_clips_and_not_of_windows():
    scores, clip, weight, truth = simulated(2.0, clips=300, windows=4)

    found = fit_temperature(scores, clip, weight=weight, truth=truth)

    def loss(at):
        return pooled_loss(temper(scores, at), clip, weight, truth)

    assert loss(found) < loss(1)
    assert loss(found) <= min(loss(found * 0.9), loss(found * 1.1))
    order = np.random.default_rng(1).permutation(len(clip))
    equal = fit_temperature(scores, clip, truth=truth)
    sevens = fit_temperature(scores, clip, truth=truth, weight=np.full(len(clip), 7.0))
    assert equal == pytest.approx(sevens, rel=1e-6)
    assert equal != pytest.approx(found, rel=1e-4)
    shuffled = fit_temperature(scores[order], clip[order], weight=weight[order], truth=truth)
    assert shuffled == pytest.approx(found, rel=1e-6)


def test_few_clips_that_are_all_right_do_not_make_a_head_certain():
    def fitted(n: int) -> float:
        scores = np.tile([0.7, 0.2, 0.1], (n, 1))
        return fit_temperature(scores, np.arange(n), truth=np.zeros(n, dtype=int))

    assert 1 > fitted(2) > fitted(10) > fitted(500)
    assert fitted(5) > 0.5
    assert fitted(500) < 0.25


def test_nothing_to_fit_on_leaves_the_scores_as_they_are():
    assert fit_temperature(np.zeros((0, 3)), [], weight=[], truth=[]) == 1
    silent = np.zeros((2, 3))
    assert fit_temperature(silent, [0, 1], weight=[1, 1], truth=[0, 2]) == 1


@pytest.mark.parametrize(
    ("clip", "weight", "truth", "message"),
    [
        ([0], [1, 1], [0, 1], "clip, weight"),
        ([0, 1], [1], [0, 1], "clip, weight"),
        ([0, 0], [1, 1], [0, 1], "clip: needs windows of each of 2 clips"),
        ([0, 2], [1, 1], [0, 1], "clip: needs windows of each of 2 clips"),
        ([0, 1], [1, 1], [0, 3], "truth: needs columns of the scores, 0 to 2"),
        ([0, 1], [1, 1], [0, -1], "truth: needs columns of the scores, 0 to 2"),
    ],
)
def test_what_does_not_belong_together_is_refused(clip, weight, truth, message):
    with pytest.raises(ParameterError, match=message):
        fit_temperature(np.full((2, 3), 1 / 3), clip, weight=weight, truth=truth)
