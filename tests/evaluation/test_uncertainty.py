"""Intervals: known values, coverage, and what drawing groups changes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from faunashot.errors import ParameterError
from faunashot.evaluation.metrics import metric_values, metrics_for, scores
from faunashot.evaluation.scored import Counts, ScoredClips
from faunashot.evaluation.uncertainty import (
    Interval,
    bootstrap,
    bootstrap_by_group,
    jackknife_interval,
    mean_interval,
    paired_difference,
)

CLASSES = tuple("abcdefghij")
SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=40)


def guesses(seed: int, *, per_class: int = 20, right: float = 0.8):
    """Balanced labels and guesses of which a share is right."""
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(len(CLASSES)), per_class)
    pred = np.where(rng.random(true.size) < right, true, rng.integers(len(CLASSES), size=true.size))
    names = np.array(CLASSES)
    return names[true], names[pred]


def width(interval: Interval) -> float:
    return interval.high - interval.low


def test_mean_interval_by_hand():
    # mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.302653
    interval = mean_interval([1, 2, 3])

    assert interval == pytest.approx((2, 2 - 2.484138, 2 + 2.484138), abs=1e-6)


def test_one_episode_has_no_interval():
    assert json.loads(json.dumps(mean_interval([0.7])._asdict())) == {
        "value": 0.7,
        "low": None,
        "high": None,
    }


def test_mean_interval_covers_as_often_as_it_says():
    episodes = np.random.default_rng(3).normal(0.6, 0.1, size=(2000, 20))
    intervals = [mean_interval(row) for row in episodes]

    covered = np.mean([i.low <= 0.6 <= i.high for i in intervals])

    assert 0.94 <= covered <= 0.96


@settings(deadline=None, max_examples=50)
@given(SCORES)
def test_mean_interval_holds_the_mean_and_widens_with_the_level(values):
    narrow, wide = (
        mean_interval(values, confidence_level=0.8),
        mean_interval(values, confidence_level=0.99),
    )

    assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high
    assert narrow.value == pytest.approx(np.mean(values))


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [[0.1, 0.2]]])
def test_mean_interval_refuses(values):
    with pytest.raises(ParameterError, match="values"):
        mean_interval(values)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_probability(level):
    with pytest.raises(ParameterError, match="confidence_level"):
        mean_interval([0.1, 0.2], confidence_level=level)


def test_paired_difference_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 0.2, size=20)
    a, b = 0.65 + hard + rng.normal(0, 0.02, 20), 0.6 + hard + rng.normal(0, 0.02, 20)
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)

    paired = paired_difference(a, b)

    assert paired == pytest.approx((np.mean(a - b), expected.low, expected.high))
    # the episodes' own difficulty hides the difference unless it is taken out in pairs
    assert paired.low > 0
    assert mean_interval(a).low < mean_interval(b).high


def test_paired_difference_refuses_other_episodes():
    with pytest.raises(ParameterError, match="pair by episode"):
        paired_difference([0.1, 0.2], [0.1])


@settings(deadline=None, max_examples=20, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0.2, 1))
def test_bootstrap_holds_the_scores_of_a_balanced_sample(seed, right):
    y_true, y_pred = guesses(seed, right=right)

    intervals = bootstrap_by_group(y_true, y_pred, np.arange(len(y_true)), CLASSES, n_bootstrap=300)

    point = scores(y_true, y_pred, CLASSES)
    assert list(intervals) == list(point)
    for name, interval in intervals.items():
        assert interval.value == pytest.approx(point[name])
        assert 0 <= interval.low <= interval.value <= interval.high <= 1


def test_bootstrap_is_that_of_a_plain_loop():
    y_true, y_pred = guesses(5, per_class=3)
    groups = np.arange(len(y_true)) // 2
    n_groups = groups.max() + 1
    times = np.random.default_rng(11).multinomial(n_groups, [1 / n_groups] * n_groups, size=50)
    drawn = [np.repeat(np.arange(len(y_true)), row[groups]) for row in times]
    looped = [scores(y_true[rows], y_pred[rows], CLASSES) for rows in drawn]

    intervals = bootstrap_by_group(y_true, y_pred, groups, CLASSES, n_bootstrap=50, seed=11)

    for name, interval in intervals.items():
        expected = np.quantile([score[name] for score in looped], [0.025, 0.975])
        assert (interval.low, interval.high) == pytest.approx(tuple(expected))


def test_bootstrap_of_accuracy_has_the_binomial_width():
    y_true, y_pred = guesses(1, per_class=100)
    accuracy = scores(y_true, y_pred, CLASSES)["accuracy"]

    intervals = bootstrap_by_group(y_true, y_pred, np.arange(len(y_true)), CLASSES)

    expected = 2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / len(y_true))
    assert width(intervals["accuracy"]) == pytest.approx(expected, rel=0.1)


def clustered(seed: int, *, n_groups: int, classes: int = 5, per_group: int = 3):
    """Clips of which those of a recording are easy or hard together."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), per_group)
    true = (group % classes).astype(np.intp)
    ease = rng.beta(2, 1, n_groups)[group]
    wrong = (true + rng.integers(1, classes, true.size)) % classes
    pred = np.where(rng.random(true.size) < ease, true, wrong)
    one_hot = np.eye(classes, dtype=bool)
    return ScoredClips(one_hot[true], one_hot[pred], group)


def test_bootstrap_covers_as_often_as_it_says():
    """Of a thousand samples of 120 recordings at once, the interval of 93 to 97 % holds it."""
    metrics = metrics_for(of="labels")
    many = clustered(0, n_groups=200_000)
    truth = metric_values(metrics, many.weighted(np.ones((1, many.n_parts))))
    every = [clustered(seed, n_groups=120).counts_by_part for seed in range(1, 1001)]
    samples = np.stack(every, axis=1)

    def figures(times: np.ndarray, _: np.ndarray) -> dict[str, np.ndarray]:
        counted = SimpleNamespace(counts=Counts(*(times @ samples)))
        return {name: metric.values(counted).T for name, metric in metrics.items()}

    found = bootstrap(figures, 120, n_bootstrap=500, seed=1)

    for name, (_, low, high) in found.items():
        assert 0.93 <= np.mean((low <= truth[name]) & (truth[name] <= high)) <= 0.97


def test_a_mirrored_interval_is_turned_about_its_value_and_stays_in_range():
    values = np.array([0.1, 0.2, 0.6, 0.3])

    def figures(times: np.ndarray, _: np.ndarray) -> dict[str, np.ndarray]:
        mean = times @ values / times.sum(axis=1)
        return {"mean": mean, "too_large": mean, "tiny": mean / 1000}

    found = bootstrap(figures, 4, mirrored=dict.fromkeys(["too_large", "tiny"], (0.0, 1.0)), seed=3)

    value, low, high = found["mean"]
    assert found["too_large"].tolist() == pytest.approx([value, 2 * value - high, 2 * value - low])
    assert found["tiny"][1] >= 0


def test_draws_that_say_nothing_are_left_out():
    def figures(times: np.ndarray, _: np.ndarray) -> dict[str, np.ndarray]:
        said = np.where(times[:, 0] > 0, times[:, 0], np.nan)
        return {"some": said, "never": np.full(len(times), np.nan)}

    found = bootstrap(figures, 5, seed=0)

    assert found["some"][1] == 1
    assert np.isnan(found["never"]).all()
    assert Interval.of(found["never"])[1:] == (None, None)


@settings(deadline=None, max_examples=50)
@given(SCORES)
def test_the_jackknife_of_a_mean_is_student_s_interval(values):
    array = np.array(values)
    left_out = (array.sum() - array) / (array.size - 1)

    assert jackknife_interval(array.mean(), left_out) == pytest.approx(
        tuple(mean_interval(values)), abs=1e-9
    )


def test_the_jackknife_of_one_episode_has_no_interval():
    assert jackknife_interval(0.4, [0.0]) == Interval(0.4, None, None)


def test_drawing_recordings_is_wider_than_drawing_clips_that_stand_or_fall_together():
    y_true, y_pred = (np.repeat(labels, 4) for labels in guesses(2, right=0.7))
    recordings = np.arange(len(y_true)) // 4

    by_recording = bootstrap_by_group(y_true, y_pred, recordings, CLASSES)
    by_clip = bootstrap_by_group(y_true, y_pred, np.arange(len(y_true)), CLASSES)

    for name in by_clip:
        # four equal clips for each recording: twice the standard error
        assert width(by_recording[name]) == pytest.approx(2 * width(by_clip[name]), rel=0.2)


def test_bootstrap_follows_its_seed_and_not_the_names_of_groups():
    y_true, y_pred = guesses(3)
    numbers = np.arange(len(y_true)) // 2
    names = [f"recording {number}" for number in numbers]

    first = bootstrap_by_group(y_true, y_pred, numbers, CLASSES, seed=1)

    assert bootstrap_by_group(y_true, y_pred, names, CLASSES, seed=1) == first
    assert bootstrap_by_group(y_true, y_pred, names, CLASSES, seed=2) != first


def test_one_group_has_no_interval():
    interval = bootstrap_by_group(["a", "b"], ["a", "a"], [0, 0], CLASSES)["accuracy"]

    assert interval == Interval(0.5, None, None)


@pytest.mark.parametrize(
    ("groups", "n_bootstrap", "message"),
    [([0], 10, "groups"), ([0, None], 10, "groups"), ([0, 1], 0, "n_bootstrap")],
)
def test_bootstrap_refuses(groups, n_bootstrap, message):
    with pytest.raises(ParameterError, match=message):
        bootstrap_by_group(["a", "b"], ["a", "b"], groups, CLASSES, n_bootstrap=n_bootstrap)
