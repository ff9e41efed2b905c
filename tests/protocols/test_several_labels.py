"""Clips of several labels: learned one class against the rest, and scored each by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from faunashot.errors import ParameterError
from faunashot.estimators.heads import HEADS
from faunashot.protocols.base import Outcome
from faunashot.protocols.run import run_protocol
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task
from faunashot.systems.catalogue import System, system
from faunashot.targets import target_matrix

NAMES = ["frog", "owl", "wren"]
LIGHTGBM = replace(
    system("lightgbm"),
    settings={"rounds": 30, "patience": 5, "feature_fraction": 1.0, "min_data_in_leaf": 2},
)
LEARNS_SEVERAL = [n for n in HEADS.names() if HEADS[n].multi_label]


@pytest.fixture(scope="module")
def several(clips, of_values) -> WindowTable:
    """Clips of one or two of three classes, or of none of them; a direction a class."""
    found = clips({"x": 90})
    rng = np.random.default_rng(0)
    of = np.eye(4)[np.arange(90) % 4][:, :3]
    of[::5] = np.maximum(of[::5], np.roll(of[::5], 1, axis=1))
    label = [";".join(np.array(NAMES)[row > 0]) for row in of]
    values = 3 * of @ np.eye(3, 8) + rng.normal(size=(90, 8))
    table = of_values(found.assign(label=label, multi_label=True), values)
    return WindowTable(table.clips, table.features, multi_label=True)


def task_of(task, table: WindowTable, of: System) -> Task:
    return task(table, system=of)


def mean_average_precision(outcome: Outcome) -> float:
    rows = outcome.held_out
    rows = rows[(rows["k"] == outcome.headline_k) & (rows["condition"] == "main")]
    truth = target_matrix(rows["label"].tolist(), NAMES, multi_label=True)
    return float(average_precision_score(truth, rows[[f"p_{n}" for n in NAMES]].to_numpy()))


@pytest.mark.parametrize("name", ["few_shot", "fine_tune"])
@pytest.mark.parametrize(
    "of",
    [
        system("standardised"),
        system("logistic-windows"),
        system("attentive"),
        system("prototypical"),
        pytest.param(LIGHTGBM, marks=pytest.mark.lightgbm),
    ],
    ids=lambda of: of.name,
)
def test_each_class_is_told_by_itself(name, of, several, task, params):
    of_several = task_of(task, several, of)
    asked = params(name=name, k=8, k_values=[2], episodes=5)
    outcome = run_protocol(of_several, asked, several.spec)
    assert outcome.multi_label
    assert outcome.classes == NAMES
    assert outcome.leak is None
    assert mean_average_precision(outcome) > 0.8
    scores = outcome.held_out.filter(regex="^p_").to_numpy()
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores.sum(axis=1).min() < 0.7  # of none
    assert scores.sum(axis=1).max() > 1.3  # of two
    assert set(outcome.held_out["label"]) == set(several.clips["label"])
    assert outcome.temperature.value > 0


@pytest.mark.parametrize("name", LEARNS_SEVERAL)
def test_heads_learn_one_class_against_the_rest_and_are_stored(name, several, task, tmp_path):
    plain = System(name, name, steps=("standardise",))
    ids = several.clips["clip_id"].tolist()
    learn, test = several.examples(ids[:45]), several.examples(ids[45:])
    head = task_of(task, several, plain).estimator().fit(learn)
    scores = head.predict_clips(test)
    assert average_precision_score(test.targets, scores) > 0.75
    head.save(tmp_path / "head")
    loaded = type(head).load(tmp_path / "head")
    np.testing.assert_array_equal(loaded.predict_clips(test), scores)


def test_a_class_that_all_clips_or_none_are_of_has_their_share(several, task):
    found = task_of(task, several, system("standardised"))
    frogs = [i for i, of in several.clips[["clip_id", "label"]].to_numpy() if "frog" in of]
    learn = several.examples(frogs)
    scores = found.estimator().fit(learn).predict_clips(learn)
    assert (scores[:, NAMES.index("frog")] == 1).all()


@pytest.mark.parametrize("name", ["rectified", "pooled"])
def test_a_system_that_learns_one_label_says_so_in_a_line(name, several, task, params):
    with pytest.raises(ParameterError, match="learns one label a clip") as caught:
        run_protocol(task_of(task, several, system(name)), params(), several.spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "few_shot", "transfer": "background"}, "background is for clips of one label"),
        ({"name": "zero_shot", "mode": "assignment"}, "assignment matches one label a clip"),
    ],
)
def test_what_is_for_one_label_says_so(changes, reason, several, task, clips, table, params):
    source = table(clips(dict.fromkeys(["rain", "road", "surf", "wind"], 10)), apart=1.0)
    of_several = replace(
        task_of(task, several, system("standardised")),
        source=source,
        transfer=changes.get("transfer", "joint"),
    )
    with pytest.raises(ParameterError, match=reason):
        run_protocol(of_several, params(**changes), several.spec)


def test_one_label_a_clip_gives_the_same_order_of_classes_either_way(clips, table, task):
    """A head against the rest agrees with the multinomial one where clips have one label."""
    one = table(clips({"cat": 30, "hen": 30}), apart=3.0)
    both = WindowTable(one.clips, one.features, multi_label=True)
    ids = one.clips["clip_id"].tolist()
    guesses = []
    for of in (one, both):
        head = task(of, system=system("standardised")).estimator().fit(of.examples(ids[::2]))
        guesses.append(head.predict_clips(of.examples(ids[1::2])).argmax(axis=1))
    assert (guesses[0] == guesses[1]).mean() > 0.95
