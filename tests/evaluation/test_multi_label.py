"""Several labels a clip: metrics as scikit-learn has them, with intervals, and no confusion."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from faunashot.evaluation.metrics import metrics_for
from faunashot.evaluation.plots import plot_tables
from faunashot.evaluation.summary import DIGITS, condition_columns, summarise
from faunashot.targets import join_names, target_matrix

CLASSES = ["cat", "hen", "owl"]
COLUMNS = [f"p_{name}" for name in CLASSES]
SETTINGS = {"headline_k": 3, "multi_label": True, "n_bootstrap": 200}


def scored(episodes: list[int], *, seed: int = 0, n: int = 60) -> pd.DataFrame:
    """Whole clips of none, one or several classes, two of a recording, mostly right."""
    rng = np.random.default_rng(seed)
    is_of = np.random.default_rng(5).random((n, 3)) < [0.5, 0.4, 0.3]
    parts = []
    for episode in episodes:
        given = 1 / (1 + np.exp(-(rng.normal(0, 1.5, (n, 3)) + 3 * is_of - 1.5)))
        table = pd.DataFrame(given, columns=COLUMNS).assign(
            k=3, episode=episode, fold="1", clip_id=[f"c{i}" for i in range(n)]
        )
        table["label"] = [join_names(np.array(CLASSES)[row]) for row in is_of]
        parts.append(table.assign(group=[f"g{i // 2}" for i in range(n)], start_s=0.0, end_s=1.0))
    return pd.concat(parts, ignore_index=True)


def expected(table: pd.DataFrame) -> dict[str, float]:
    """What scikit-learn makes of it."""
    truth = target_matrix(table["label"].tolist(), CLASSES, multi_label=True)
    given = table[COLUMNS].to_numpy()
    area = roc_auc_score(truth, given, average="macro")
    return {
        "macro_f1": f1_score(truth, given >= 0.5, average="macro"),
        "micro_f1": f1_score(truth, given >= 0.5, average="micro"),
        "map": average_precision_score(truth, given, average="macro"),
        "mauc": area,
        "d_prime": np.sqrt(2) * stats.norm.ppf(area),
    }


@pytest.fixture(scope="module")
def once() -> pd.DataFrame:
    return scored([-1])


def test_metrics_are_scikit_learn_s_within_their_intervals(once) -> None:
    metrics = summarise(once, CLASSES, **SETTINGS).figures
    for name, value in expected(once).items():
        assert metrics[name] == round(value, DIGITS)
        assert metrics[f"{name}_low"] < metrics[name] < metrics[f"{name}_high"]
    assert "accuracy" not in metrics
    assert "calibration_error" not in metrics
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_metrics_of_episodes_are_their_mean_with_students_interval() -> None:
    drawn = scored([0, 1, 2, 3])
    each = pd.DataFrame([expected(of) for _, of in drawn.groupby("episode")])
    metrics = summarise(drawn, CLASSES, **SETTINGS).figures
    for name, values in each.items():
        low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
        assert metrics[name] == round(values.mean(), DIGITS)
        assert metrics[f"{name}_draws_low"] == round(low, DIGITS)
        most = metrics_for(multi_label=True)[name].range[1]
        assert metrics[f"{name}_draws_high"] == round(min(high, most), DIGITS)


def test_the_bootstrap_draws_recordings(once) -> None:
    """Where the two clips of a recording are the same, drawing clips would narrow intervals."""
    twice = pd.concat([once, once.assign(clip_id=once["clip_id"] + "-b")])
    apart = twice.assign(group=twice["clip_id"])
    together = summarise(twice, CLASSES, **SETTINGS).figures
    by_clip = summarise(apart, CLASSES, **SETTINGS).figures
    for name in ("map", "mauc", "d_prime"):
        assert together[name] == by_clip[name]
        width = together[f"{name}_high"] - together[f"{name}_low"]
        assert width > 1.15 * (by_clip[f"{name}_high"] - by_clip[f"{name}_low"])


def test_classes_have_their_figures_and_there_is_no_confusion(once) -> None:
    found = summarise(once, CLASSES, **SETTINGS)
    truth = target_matrix(once["label"].tolist(), CLASSES, multi_label=True)
    predicted = once[COLUMNS].to_numpy() >= 0.5
    *ratios, support = precision_recall_fscore_support(truth, predicted, average=None)
    for name, values in zip(("precision", "recall", "f1"), ratios, strict=True):
        np.testing.assert_allclose(found.per_class[name], values, atol=1e-4)
        assert (found.per_class[f"{name}_low"] < found.per_class[f"{name}_high"]).all()
    assert found.per_class["support"].tolist() == support.tolist()
    assert found.confusion is None
    assert found.calibration is None
    precision = average_precision_score(truth, once[COLUMNS], average=None)
    np.testing.assert_allclose(found.per_class["average_precision"], precision, atol=1e-4)
    low, high = (found.per_class[f"average_precision_{end}"] for end in ("low", "high"))
    assert ((low < precision) & (precision < high)).all()
    drawn = plot_tables(found)
    assert list(drawn) == ["per_class", "class_effect"]
    assert drawn["class_effect"]["clips"].tolist() == support.tolist()


def test_a_clip_is_taken_for_every_class_that_is_as_probable_as_not(once) -> None:
    some = once.iloc[:4].copy()
    some[COLUMNS] = [[0.5, 0.2, 0.9], [0.1, 0.49, 0.2], [0.5, 0.5, 0.5], [0.4, 0.6, 0.1]]
    predictions = summarise(some, CLASSES, **SETTINGS).predictions
    assert predictions["predicted"].tolist() == ["cat;owl", "", "cat;hen;owl", "hen"]
    np.testing.assert_allclose(predictions[COLUMNS], some[COLUMNS])  # they need not sum to 1


def test_windows_and_conditions_have_the_metrics_of_labels(once) -> None:
    other = scored([-1], seed=9).assign(condition="equalised")
    found = summarise(pd.concat([once, other]), CLASSES, **SETTINGS)
    assert set(found.figures["window"]) == {
        f"{name}{end}" for name in ("macro_f1", "micro_f1") for end in ("", "_low", "_high")
    }
    assert list(found.conditions) == condition_columns(multi_label=True)
    row = found.figures["conditions"]["equalised"]
    assert row["micro_f1"] == round(expected(other)["micro_f1"], DIGITS)
    gap = found.figures["macro_f1"] - row["macro_f1"]
    assert row["difference"] == pytest.approx(gap, abs=2e-4)
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]


def test_clips_of_no_class_alone_have_no_figures() -> None:
    none = scored([-1], n=6).assign(label="")
    metrics = summarise(none, CLASSES, **SETTINGS).figures
    assert metrics["map"] is None
    assert metrics["macro_f1"] is None
    assert metrics["mauc_low"] is None


def test_one_class_a_clip_gives_the_macro_f1_of_a_single_label() -> None:
    """Sure of one class each, both ways of counting agree."""
    rng = np.random.default_rng(1)
    table = scored([-1])
    table["label"] = rng.choice(CLASSES, len(table))
    table[COLUMNS] = np.eye(3)[rng.integers(3, size=len(table))]
    single = summarise(table, CLASSES, headline_k=3, n_bootstrap=100).figures
    multi = summarise(table, CLASSES, **{**SETTINGS, "n_bootstrap": 100}).figures
    for end in ("", "_low", "_high"):
        assert single[f"macro_f1{end}"] == multi[f"macro_f1{end}"]
        assert single[f"accuracy{end}"] == multi[f"micro_f1{end}"]
