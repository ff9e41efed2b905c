"""Every figure at once: equal to scikit-learn's on repeated clips, and with which interval."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from faunashot.evaluation.calibration import expected_calibration_error, reliability
from faunashot.evaluation.figures import clip_intervals, episode_scores
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


def test_episodes_are_averaged_with_students_interval():
    table = scored(40, episodes=5)
    each = [arrays(of) for _, of in table.groupby("episode")]
    of_all = [clip_figures(*one, np.ones((1, 40))) for one in each]

    found = clip_intervals(table, CLASSES, **SETTINGS)

    for name in (*FIGURES, "map"):
        value, low, high = mean_interval([one[name][0] for one in of_all])
        assert found.overall[name] == pytest.approx((value, low, min(high, 1)))
    for name in OF_CLASS:
        owl = mean_interval([one[name][0, 2] for one in of_all])
        row = found.of_class.set_index("label").loc["owl"]
        assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(tuple(owl))
    # every class is in every episode, so that the bars' mean is the headline
    assert found.of_class["f1"].mean() == pytest.approx(found.overall["macro_f1"].value)


def test_the_calibration_error_of_episodes_is_that_of_their_clips_together():
    table = scored(40, episodes=5)

    def error(of: pd.DataFrame) -> float:
        true, pred, probabilities = arrays(of)
        return error_of(probabilities.max(axis=1), true == pred)

    value, low, high = clip_intervals(table, CLASSES, **SETTINGS).overall["calibration_error"]

    left_out = [error(table[table["episode"] != episode]) for episode in range(5)]
    half = stats.t.ppf(0.975, 4) * np.sqrt(4 / 5 * np.sum((left_out - np.mean(left_out)) ** 2))
    assert (value, low, high) == pytest.approx((error(table), value - half, value + half))


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

    recall = [rows.set_index("label").loc["owl", ["recall", "recall_low"]] for rows in of_class]
    assert recall[0].tolist() == pytest.approx(recall[1].tolist())


def test_one_episode_has_no_interval():
    found = clip_intervals(scored(40, episodes=1), CLASSES, **SETTINGS)
    assert {interval.low for interval in found.overall.values()} == {None}
    assert found.of_class["f1_low"].isna().all()


def test_scores_of_episodes_come_by_number_in_order():
    table = scored(40, episodes=3).sort_values("episode", ascending=False)
    found = episode_scores(table, CLASSES)
    assert found.index.tolist() == [0, 1, 2]
    for episode, of in table.groupby("episode"):
        assert found.loc[episode].to_dict() == pytest.approx(
            scores(of["label"], of["predicted"], CLASSES)
        )


def test_all_figures_of_400_clips_are_bootstrapped_within_three_seconds():
    table = scored(400, classes=[f"c{n}" for n in range(10)])
    began = time.perf_counter()
    clip_intervals(
        table, [f"c{n}" for n in range(10)], confidence_level=0.95, n_bootstrap=2000, seed=0
    )
    assert time.perf_counter() - began < 3
