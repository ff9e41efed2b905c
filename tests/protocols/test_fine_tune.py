"""fine_tune: every clip is tested once, by a head whose settings were chosen without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from faunashot.backbones.store import Features, Maker
from faunashot.protocols import fine_tune
from faunashot.protocols.base import WindowTable
from faunashot.systems.catalogue import System, system

THREE = {"cat": 20, "hen": 20, "owl": 20}
KNN = System("knn", "knn", {"neighbours": 1}, {"neighbours": [1, 5]})


@pytest.fixture
def misleading() -> WindowTable:
    """A line on which the validation fold wants five neighbours, and the test fold one.

    Fold 3 is learned: cats around 0.1 with an owl among them, owls around 10.1 with a cat among
    them. Fold 2 lies beside the two strays and is labelled as the many, fold 1 as the strays are.
    """
    around = [0.0, 0.05, 0.15, 0.2]
    fold_3 = [(x, "cat") for x in around] + [(10 + x, "owl") for x in around]
    fold_3 += [(0.1, "owl"), (10.1, "cat")]
    fold_2, fold_1 = [(0.12, "cat"), (10.12, "owl")], [(0.12, "owl"), (10.12, "cat")]
    rows = [
        (f"{fold}-{n}", label, fold, f"{fold}-{n}", x)
        for fold, points in (("1", fold_1), ("2", fold_2), ("3", fold_3))
        for n, (x, label) in enumerate(points)
    ]
    clips = pd.DataFrame(rows, columns=["clip_id", "label", "fold", "group", "x"])
    index = clips[["clip_id"]].assign(start_s=0.0, end_s=1.0)
    maker = Maker("line", "1", "", 16_000, 1.0, 1.0, 1)
    windows = clips[["x"]].to_numpy(np.float32)
    return WindowTable(clips.drop(columns="x"), Features(windows, index, maker))


def test_every_clip_is_tested_once(task, clips, params):
    outcome = fine_tune.run(task(clips(THREE), system=system("logistic")), params())
    tested = outcome.held_out.drop_duplicates(["clip_id", "fold"])
    assert sorted(tested["clip_id"]) == sorted(clips(THREE)["clip_id"])
    fold = clips(THREE).set_index("clip_id")["fold"]
    assert (tested["fold"].to_numpy() == fold[tested["clip_id"]].to_numpy()).all()
    assert (outcome.held_out["episode"] == -1).all()


def test_k_is_the_mean_number_of_clips_a_class_that_are_learned(task, clips, params):
    outcome = fine_tune.run(task(clips(THREE), system=system("prototype")), params())
    assert outcome.headline_k == 16
    assert outcome.held_out["k"].unique().tolist() == [16]


def test_chosen_settings_come_from_the_grid(task, clips, params):
    logistic = system("logistic")
    outcome = fine_tune.run(task(clips(THREE), system=logistic), params())
    assert [c["fold"] for c in outcome.facts["chosen"]] == list("12345")
    assert {c["C"] for c in outcome.facts["chosen"]} <= set(logistic.grid["C"])
    assert outcome.facts["served_with"]["C"] in logistic.grid["C"]


def test_without_a_grid_the_systems_settings_are_used(task, clips, params):
    plain = System("prototype", "prototype", {"temperature": 3.0})
    outcome = fine_tune.run(task(clips(THREE), system=plain), params())
    assert outcome.facts["served_with"] == {"temperature": 3.0}


def test_ties_go_to_the_first_of_the_grid(task, clips, params):
    outcome = fine_tune.run(task(clips(THREE), apart=50.0, system=KNN), params())
    assert {c["neighbours"] for c in outcome.facts["chosen"]} == {1}


def test_settings_are_chosen_on_the_validation_fold_and_never_on_the_test_fold(
    task, misleading, params
):
    on_the_line = task(misleading, system=KNN)
    windows, labels, _ = misleading.learn([f"3-{n}" for n in range(10)])
    tested, wanted, _ = misleading.learn(["1-0", "1-1"])
    right = {
        n: (on_the_line.head(neighbours=n).fit(windows, labels).predict(tested) == wanted).mean()
        for n in (1, 5)
    }
    assert right == {1: 1.0, 5: 0.0}  # the test fold would choose 1
    chosen = fine_tune.run(on_the_line, params()).facts["chosen"]
    assert chosen[0] == {"fold": "1", "neighbours": 5}


def test_the_served_head_has_the_settings_chosen_most_often_and_learned_from_all(
    task, clips, params
):
    outcome = fine_tune.run(task(clips(THREE), system=system("logistic")), params())
    chosen = [c["C"] for c in outcome.facts["chosen"]]
    assert max(chosen, key=chosen.count) == outcome.head.estimator.C
    assert len(outcome.facts["learned_from"]) == 60


def test_a_fold_without_a_class_is_noted(task, clips, params):
    outcome = fine_tune.run(
        task(clips({"cat": 20, "owl": 4}), system=system("prototype")), params()
    )
    assert outcome.notes == ["fold 5 has no clip of owl"]


def test_published_parts_score_the_test_part_alone(task, clips, params):
    parts = clips(THREE)
    parts["fold"] = parts["fold"].map(
        {"1": "test", "2": "validation", "3": "train", "4": "train", "5": "train"}
    )
    outcome = fine_tune.run(task(parts, system=system("logistic")), params())
    assert set(outcome.held_out["fold"]) == {"test"}
    assert set(outcome.held_out["clip_id"]) == set(parts.loc[parts["fold"] == "test", "clip_id"])
    assert len(outcome.facts["chosen"]) == 1
