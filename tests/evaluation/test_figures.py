"""Every figure at once: equal to scikit-learn's on repeated clips, and with which interval."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from long_running import LONG
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from faunashot.evaluation.calibration import expected_calibration_error, reliability
from faunashot.evaluation.episodes import ScoredEpisodes
from faunashot.evaluation.figures import clip_intervals
from faunashot.evaluation.metrics import metric_values, metrics_for, scores
from faunashot.evaluation.scored import OF_CLASS, ScoredClips, ratios
from faunashot.evaluation.uncertainty import mean_interval

CLASSES = ["cat", "hen", "owl", "yak"]
FIGURES, OF_SCORES = (list(metrics_for(of=kind)) for kind in ("labels", "scores"))
SETTINGS = {"confidence_level": 0.95, "n_bootstrap": 300, "seed": 0}


def scored(n: int, *, classes: list[str] = CLASSES, episodes: int = 0, seed: int = 0):
    """Clips in pairs of a recording, mostly right, once or in every episode."""
    rng = np.random.default_rng(seed)
    parts = []
    for episode in range(episodes) if episodes else [-1]:
        true = np.arange(n) % len(classes)
        given = rng.dirichlet(np.ones(len(classes)), size=n) + 0.5 * np.eye(len(classes))[true]
        table = pd.DataFrame(given / 1.5, columns=[f"p_{name}" for name in classes])
        table = table.assign(episode=episode, group=np.arange(n) // (2 * len(classes)))
        names = np.array(classes)
        parts.append(table.assign(label=names[true], predicted=names[given.argmax(axis=1)]))
    return pd.concat(parts, ignore_index=True)


def arrays(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    codes = {name: code for code, name in enumerate(CLASSES)}
    probabilities = table[[f"p_{name}" for name in CLASSES]].to_numpy()
    return table["label"].map(codes).to_numpy(), probabilities.argmax(axis=1), probabilities


def clip_figures(true, pred, probabilities, weights) -> dict[str, np.ndarray]:
    """Every metric and every figure of classes, each clip being a part of its own."""
    one_hot = np.eye(probabilities.shape[1], dtype=bool)
    part = np.arange(len(true))
    clips = ScoredClips(one_hot[true], one_hot[pred], part, probabilities).weighted(weights)
    return {**metric_values(metrics_for(), clips), **ratios(clips.counts)}


def error_of(confidence: np.ndarray, correct: np.ndarray) -> float:
    return expected_calibration_error(reliability(confidence, correct))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=12, max_size=12).filter(any), st.integers(0, 99))
def test_weighted_clips_are_repeated_clips(times, seed):
    true, pred, probabilities = arrays(scored(12, seed=seed))
    rows = np.repeat(np.arange(12), times)
    names = np.array(CLASSES)

    found = clip_figures(true, pred, probabilities, np.array([times, [1] * 12], dtype=float))

    here = np.unique(true[rows])
    of_class = precision_recall_fscore_support(true[rows], pred[rows], labels=here, zero_division=0)
    precision = [average_precision_score(true[rows] == c, probabilities[rows, c]) for c in here]
    error = error_of(probabilities[rows].max(axis=1), true[rows] == pred[rows])
    expected = scores(names[true[rows]], names[pred[rows]], CLASSES)
    assert {name: found[name][0] for name in FIGURES} == pytest.approx(expected)
    assert found["map"][0] == pytest.approx(np.mean(precision))
    assert found["calibration_error"][0] == pytest.approx(error)
    for name, values in zip(OF_CLASS, of_class, strict=False):
        assert found[name][0, here] == pytest.approx(values)
        assert np.isnan(np.delete(found[name][0], here)).all()


def test_without_episodes_the_value_is_that_of_all_clips_inside_its_interval():
    table = scored(80)
    true, pred, probabilities = arrays(table)

    found = clip_intervals(table, CLASSES, **SETTINGS)

    whole = clip_figures(true, pred, probabilities, np.ones((1, 80)))
    assert list(found.overall) == [*FIGURES, *OF_SCORES]
    for name, interval in found.overall.items():
        assert interval.value == pytest.approx(whole[name][0])
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
    for name in OF_CLASS:
        np.testing.assert_allclose(found.of_class[name], whole[name][0])
        low, value, high = (found.of_class[name + end] for end in ("_low", "", "_high"))
        assert ((low < value) & (value < high) | (value == 1)).all()


def test_episodes_are_averaged_and_draws_alone_have_students_interval():
    table = scored(40, episodes=5)
    each = [arrays(of) for _, of in table.groupby("episode")]
    of_all = [clip_figures(*one, np.ones((1, 40))) for one in each]

    found = clip_intervals(table, CLASSES, **SETTINGS)

    for name in (*FIGURES, "map"):
        value, low, high = mean_interval([one[name][0] for one in of_all])
        assert found.draws[name] == pytest.approx((value, low, min(high, 1)))
        assert found.overall[name].value == pytest.approx(value)
        assert found.overall[name].low < value < found.overall[name].high
    for name in OF_CLASS:
        row = found.of_class.set_index("label").loc["owl"]
        assert row[name] == pytest.approx(np.mean([one[name][0, 2] for one in of_all]))
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    # every class is in every episode, so that the bars' mean is the headline
    assert found.of_class["f1"].mean() == pytest.approx(found.overall["macro_f1"].value)


def drawn(rng, *, n_groups: int, episodes: int = 20, of_recording: float, of_draw: float):
    """Three clips a recording, a fifth of the recordings in each episode, in turn.

    Whether a clip is right hangs on how hard its recording and how lucky the draw is.
    """
    group = np.repeat(np.arange(n_groups), 3)
    hard = rng.normal(0, of_recording, n_groups)[group]
    label = np.array(CLASSES)[group % 4]
    wrong = np.array(CLASSES)[(group + 1) % 4]
    parts = []
    for episode in range(episodes):
        luck = rng.normal(0, of_draw, 4)[group % 4]
        right = rng.random(group.size) < 1 / (1 + np.exp(-1 - hard - luck))
        said = np.where(right, label, wrong)
        table = pd.DataFrame({"group": group, "label": label, "predicted": said})
        parts.append(table[group // 4 % 5 == episode % 5].assign(episode=episode))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_groups", "of_recording", "of_draw"),
    [
        (60, 2.0, 0.2),
        pytest.param(200, 0.5, 1.0, marks=LONG),
        pytest.param(100, 1.0, 0.5, marks=LONG),
    ],
)
def test_the_interval_holds_the_truth_as_often_as_it_says(n_groups, of_recording, of_draw):
    """Whether recordings differ more or draws do; where they do, draws alone say too little."""
    rng, n, metrics = np.random.default_rng(0), 200, metrics_for(of="labels")

    def sample() -> pd.DataFrame:
        return drawn(rng, n_groups=n_groups, of_recording=of_recording, of_draw=of_draw)

    means = [
        {name: values.mean() for name, values in each.by_episode(metrics).items()}
        for each in (ScoredEpisodes.of_table(sample(), CLASSES) for _ in range(400))
    ]
    truth = pd.DataFrame(means).mean()
    held = {"overall": dict.fromkeys(metrics, 0), "draws": dict.fromkeys(metrics, 0)}
    for number in range(n):
        settings = {**SETTINGS, "seed": number}
        found = clip_intervals(sample(), CLASSES, with_scores=False, **settings)
        for kind, of in held.items():
            for name in metrics:
                _, low, high = getattr(found, kind)[name]
                of[name] += low <= truth[name] <= high
    assert min(held["overall"].values()) >= 0.92 * n
    if of_recording > of_draw:
        assert max(held["draws"].values()) < 0.9 * n


def test_one_recording_scored_in_every_episode_is_drawn_once_for_all():
    """More episodes of the same few clips narrow the draws alone."""
    few, many = (
        clip_intervals(scored(16, episodes=n), CLASSES, with_scores=False, **SETTINGS)
        for n in (5, 80)
    )
    width = [
        [of["accuracy"].high - of["accuracy"].low for of in (found.overall, found.draws)]
        for found in (few, many)
    ]
    assert width[1][1] < 0.5 * width[0][1]


def test_the_calibration_error_of_episodes_is_that_of_their_clips_together():
    table = scored(40, episodes=5)

    def error(of: pd.DataFrame) -> float:
        true, pred, probabilities = arrays(of)
        return error_of(probabilities.max(axis=1), true == pred)

    found = clip_intervals(table, CLASSES, **SETTINGS)

    left_out = [error(table[table["episode"] != episode]) for episode in range(5)]
    half = stats.t.ppf(0.975, 4) * np.sqrt(4 / 5 * np.sum((left_out - np.mean(left_out)) ** 2))
    value = error(table)
    assert found.draws["calibration_error"] == pytest.approx((value, value - half, value + half))
    assert found.overall["calibration_error"].value == pytest.approx(value)


def test_the_calibration_error_may_be_nought_where_chance_makes_as_much():
    """Sure of 0.6, of which 0.6 are right, and sure of 0.9, of which 0.6 are right."""
    n = 200
    label = np.array(["cat", "hen"] * (n // 2))
    right = np.random.default_rng(0).random(n) < 0.6
    said = np.where(right, label, label[::-1])
    for sure, is_calibrated in ((0.6, True), (0.9, False)):
        table = pd.DataFrame({"episode": -1, "group": range(n), "label": label, "predicted": said})
        table = table.assign(p_cat=np.where(said == "cat", sure, 1 - sure))
        table = table.assign(p_hen=1 - table["p_cat"])

        found = clip_intervals(table, ["cat", "hen"], **SETTINGS).overall["calibration_error"]

        assert found.value == pytest.approx(abs(sure - right.mean()))
        assert (found.low == 0) == is_calibrated
        assert found.low <= sure - 0.6 <= found.high


def test_a_class_with_no_clip_or_one_recording_has_no_interval():
    table = scored(40)
    table = table[table["label"] != "owl"]
    table.loc[table["label"] == "yak", "group"] = 99

    found = clip_intervals(table, CLASSES, **SETTINGS)

    rows = found.of_class.set_index("label")
    assert rows["f1_low"].notna().to_dict() == {
        "cat": True,
        "hen": True,
        "owl": False,
        "yak": False,
    }
    assert rows.loc["owl", ["precision", "recall", "f1"]].tolist() == [0, 0, 0]
    assert rows.loc["yak", "recall"] > 0


def test_a_class_that_one_episode_lacks_is_the_mean_over_the_others():
    table = scored(40, episodes=3)
    lacking = table[(table["label"] != "owl") | (table["episode"] > 0)]
    kept = table[table["episode"] > 0]

    of_class = [clip_intervals(t, CLASSES, **SETTINGS).of_class for t in (lacking, kept)]

    recall = [rows.set_index("label").loc["owl", "recall"] for rows in of_class]
    assert recall[0] == pytest.approx(recall[1])


def test_one_episode_has_an_interval_over_recordings_alone():
    found = clip_intervals(scored(40, episodes=1), CLASSES, **SETTINGS)
    assert found.draws == {}
    assert found.overall == clip_intervals(scored(40), CLASSES, **SETTINGS).overall


def test_metrics_of_episodes_come_by_number_in_order():
    table = scored(40, episodes=3).sort_values("episode", ascending=False)
    metrics = metrics_for(of="labels")
    found = ScoredEpisodes.of_table(table, CLASSES).by_episode(metrics)
    for episode, of in table.groupby("episode"):
        expected = scores(of["label"], of["predicted"], CLASSES)
        assert {name: found[name][episode] for name in metrics} == pytest.approx(expected)


def test_all_figures_of_400_clips_are_bootstrapped_within_three_seconds():
    table = scored(400, classes=[f"c{n}" for n in range(10)])
    began = time.perf_counter()
    clip_intervals(
        table, [f"c{n}" for n in range(10)], confidence_level=0.95, n_bootstrap=2000, seed=0
    )
    assert time.perf_counter() - began < 3
