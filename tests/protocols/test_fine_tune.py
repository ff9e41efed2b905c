"""fine_tune: every clip is tested once, by a head whose settings were chosen without it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from faunashot.classifiers.heads import scores_of
from faunashot.protocols import fine_tune
from faunashot.systems.catalogue import System, system

THREE = {"cat": 20, "hen": 20, "owl": 20}
KNN = System("knn", "knn", {"neighbours": 1}, {"neighbours": [1, 15]})


@pytest.fixture
def rotten(clips, table):
    """Folds on which the best setting differs.

    Fold 2, which validates where fold 1 is tested, is labelled as its position says; fold 1 holds
    swapped labels in the one place where single neighbours are misled.
    """
    target = table(clips({"cat": 50, "owl": 50}), apart=3.0, windows=1)
    fold, label = target.clips["fold"], target.clips["label"]
    # A tenth of what is learned is mislabelled: many neighbours outvote it, a single one repeats it.
    wrong = fold.isin(["3", "4", "5"]) & (target.clips.index % 10 == 9)
    swapped = {"cat": "owl", "owl": "cat"}
    target.clips["label"] = label.where(~wrong, label.map(swapped))
    target._label.update(zip(target.clips["clip_id"], target.clips["label"], strict=True))
    return target


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
