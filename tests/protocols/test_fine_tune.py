"""fine_tune: every clip is tested once, by a head whose settings were chosen without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nearest import Nearest
from sklearn.metrics import f1_score

from faunashot.errors import ParameterError, SplitError
from faunashot.estimators.calibration import temper
from faunashot.estimators.windows import end_to_end
from faunashot.features.store import Features, FeatureSpec
from faunashot.protocols.base import Outcome
from faunashot.protocols.fine_tune import FineTune
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task, Training
from faunashot.systems.catalogue import system
from faunashot.systems.record import Temperature

THREE = {"cat": 20, "hen": 20, "owl": 20}
LOGISTIC = replace(system("standardised"), grid={"C": [0.01, 0.1, 1.0]})
KNN = replace(  # standardised, so that what lies on a line stays in its order
    system("standardised"), head="knn", settings={}, grid={"neighbours": [1, 5]}
)


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
    spec = FeatureSpec("line", "1", "", 16_000, 1.0, 1.0, 1)
    windows = clips[["x"]].to_numpy(np.float32)
    return WindowTable(clips.drop(columns="x"), Features(windows, index, spec))


@pytest.fixture(scope="module")
def outcome(task, clips) -> Outcome:
    """The outcome of the plain system."""
    return FineTune().run(task(clips(THREE), apart=1.5, system=LOGISTIC))


def test_every_clip_is_tested_once(outcome, clips):
    tested = outcome.held_out
    assert sorted(tested["clip_id"]) == sorted(clips(THREE)["clip_id"])
    fold = clips(THREE).set_index("clip_id")["fold"]
    assert (tested["fold"].to_numpy() == fold[tested["clip_id"]].to_numpy()).all()
    assert (tested["episode"] == -1).all()
    assert outcome.estimator.level == "clip"
    assert (outcome.windows.groupby("clip_id").size() == 2).all()
    assert set(outcome.windows["clip_id"]) == set(tested["clip_id"])


def test_no_clip_of_a_scored_group_was_learned_from(task, clips, learned):
    """Neither by the head that is scored, nor by those that its settings were chosen with."""
    group = clips(THREE).set_index("clip_id")["group"]
    outcome = FineTune().run(task(clips(THREE), system=KNN))
    assert len(learned) == 5 * (2 + 1) + 1
    for number, rotation in enumerate(outcome.rotations):
        *choosing, scored = learned[3 * number : 3 * number + 3]
        assert scored.labelled == rotation.learned
        assert set(rotation.learned) | set(rotation.tested) == set(group.index)
        validation = set(rotation.learned) - set(choosing[0].labelled)
        assert len(validation) == 12
        for learn in choosing:
            assert not set(group[list(learn.labelled)]) & set(group[[*validation]])
        for learn in (*choosing, scored):
            assert not set(group[list(learn.labelled)]) & set(group[list(rotation.tested)])
            assert (learn.source, learn.unlabelled) == ((), ())


def test_k_is_the_mean_number_of_clips_a_class_that_are_learned(outcome):
    assert outcome.headline_k == 16
    for table in (outcome.held_out, outcome.windows):
        assert table["k"].unique().tolist() == [16]


def test_chosen_settings_come_from_the_grid(outcome):
    assert [c["fold"] for c in outcome.facts["chosen"]] == list("12345")
    assert {c["settings"]["C"] for c in outcome.facts["chosen"]} <= set(LOGISTIC.grid["C"])
    assert outcome.facts["served_with"]["C"] in LOGISTIC.grid["C"]


def test_without_a_grid_the_systems_settings_are_used(task, clips):
    plain = replace(system("prototype"), settings={"temperature": 3.0})
    outcome = FineTune().run(task(clips(THREE), system=plain))
    assert outcome.estimator.classifier_.temperature == 3.0
    assert [c["settings"] for c in outcome.facts["chosen"]] == [{}] * 5


def test_ties_go_to_the_first_of_the_grid(task, clips):
    outcome = FineTune().run(task(clips(THREE), apart=50.0, system=KNN))
    assert {c["settings"]["neighbours"] for c in outcome.facts["chosen"]} == {1}


def test_settings_are_chosen_on_the_validation_fold_and_never_on_the_test_fold(task, misleading):
    on_the_line = task(misleading, system=KNN)
    ids = [f"3-{n}" for n in range(10)]
    learn, tested = misleading.examples(ids), misleading.examples(["1-0", "1-1"])
    right = {}
    for n in (1, 5):
        scores = on_the_line.estimator(neighbours=n).fit(learn).predict_clips(tested)
        right[n] = (scores.argmax(axis=1) == tested.targets.argmax(axis=1)).mean()
    assert right == {1: 1.0, 5: 0.0}  # the test fold would choose 1
    chosen = FineTune().run(on_the_line).facts["chosen"]
    assert (chosen[0]["fold"], chosen[0]["settings"]) == ("1", {"neighbours": 5})


def test_labels_of_the_test_fold_change_neither_settings_nor_temperature(task, clips, table):
    """Its labels are dealt anew: what was chosen for it stays, and so do its scores."""
    honest = table(clips(THREE), apart=2.0)
    dealt = honest.clips.copy()
    tested = dealt["fold"] == "1"
    dealt.loc[tested, "label"] = dealt.loc[tested, "label"].to_numpy()[::-1]
    wrong = WindowTable(dealt, honest.features)
    one, other = (FineTune().run(task(t, system=LOGISTIC)) for t in (honest, wrong))
    assert one.facts["chosen"][0] == other.facts["chosen"][0]
    assert one.facts["chosen"][1:] != other.facts["chosen"][1:]
    scores = [o.held_out.query("fold == '1'").filter(regex="^p_") for o in (one, other)]
    np.testing.assert_array_equal(*scores)


def test_the_temperature_is_that_of_a_head_that_has_not_learned_the_validation_fold(task, clips):
    """Were it that of a head that knows the clips it is fitted on, it would trust that head."""
    sure = replace(system("standardised"), grid={"C": [1e4]})
    outcome = FineTune().run(task(clips(THREE), apart=1.0, system=sure))
    temperatures = [c["temperature"] for c in outcome.facts["chosen"]]
    assert min(temperatures) > 1.5
    assert outcome.temperature == Temperature(value=np.median(temperatures), clips=60)
    by_fold = outcome.held_out.groupby("fold")["temperature"]
    assert by_fold.unique().str[0].tolist() == temperatures


def test_the_served_head_has_the_settings_chosen_most_often_and_learned_from_all(
    outcome, task, clips
):
    of_clips = task(clips(THREE), apart=1.5, system=LOGISTIC)
    chosen = [c["settings"]["C"] for c in outcome.facts["chosen"]]
    most = max(chosen, key=chosen.count)
    assert most == outcome.estimator.classifier_.C == outcome.facts["served_with"]["C"]
    ids = outcome.learned_from
    assert sorted(ids) == sorted(clips(THREE)["clip_id"])
    every = of_clips.target.examples(ids)
    again = of_clips.estimator(C=most).fit(every)
    served = outcome.estimator.predict_clips(every)
    np.testing.assert_allclose(served, again.predict_clips(every), atol=1e-9)


def test_a_source_is_learned_before_where_transfer_is_sequential(task, clips, table):
    source = table(clips({"rain": 10, "wind": 10}), apart=6.0, seed=9)
    outcome = FineTune().run(task(clips(THREE), source=source, transfer="sequential"))
    assert outcome.estimator.source_head.classes_.tolist() == ["rain", "wind"]
    assert outcome.classes == ["cat", "hen", "owl"]


def test_a_fold_without_a_class_is_noted(task, clips):
    outcome = FineTune().run(task(clips({"cat": 20, "owl": 4})))
    assert outcome.notes == ["fold 5 has no clip of owl"]


def test_a_class_of_one_fold_alone_is_refused_and_named(task, clips):
    alone = clips(THREE)
    alone = alone[(alone["label"] != "owl") | (alone["fold"] == "3")]
    with pytest.raises(SplitError, match="fold 3: class owl is absent from the other folds"):
        FineTune().run(task(alone))


def test_published_parts_score_the_test_part_alone(task, clips):
    parts = clips(THREE)
    parts["fold"] = parts["fold"].map(
        {"1": "test", "2": "validation", "3": "train", "4": "train", "5": "train"}
    )
    outcome = FineTune().run(task(parts, system=LOGISTIC))
    assert set(outcome.held_out["fold"]) == {"test"}
    assert set(outcome.held_out["clip_id"]) == set(parts.loc[parts["fold"] == "test", "clip_id"])
    assert len(outcome.facts["chosen"]) == 1


class Tuned(Nearest):
    """Stands for the network, and chooses an epoch and a share as it does."""

    KIND = "end_to_end"
    settled = end_to_end.FineTuned.settled

    def chosen(self) -> dict[str, Any]:
        """The epoch and the share, which tell the fits apart."""
        return {"best_epoch": 2 + self.number, "best_share": self.number / 8}


@pytest.fixture
def network_task(task, clips, table, monkeypatch, tmp_path) -> tuple[Task, list]:
    """A task of a whole network, for which `Tuned` stands, and what is told of its epochs."""
    monkeypatch.setattr(end_to_end, "FineTuned", Tuned.standing_for(end_to_end))
    Nearest.fits.clear()
    target = table(clips(THREE), apart=3.0)
    patches = replace(target.spec, backbone="yamnet", layer="front_end")
    of_patches = WindowTable(target.clips, replace(target.features, spec=patches))
    epochs: list[tuple[str, dict]] = []
    training = Training(
        lambda: "published",
        tmp_path,
        lambda fold, facts: epochs.append((fold, facts)),
    )
    return task(of_patches, system=system("end_to_end"), training=training), epochs


def test_a_whole_network_learns_three_folds_and_stops_by_the_fourth(network_task, tmp_path):
    of_network, epochs = network_task
    FineTune().run(of_network)
    clips = of_network.target.clips
    group = clips.set_index("clip_id")["group"]
    *each, served = Nearest.fits
    assert len(each) == 5
    for n, fit in enumerate(each, start=1):
        tested = set(clips.loc[clips["fold"] == str(n), "clip_id"])
        assert (len(fit["learned"]), len(fit["held"])) == (36, 12)
        assert not set(group[[*fit["learned"], *fit["held"]]]) & set(group[[*tested]])
        assert not set(group[[*fit["learned"]]]) & set(group[[*fit["held"]]])
        assert fit["checkpoint"] == tmp_path / f"{n}.npz"
        assert fit["backbone"] == "published"
        assert fit["settings"]["seed"] == of_network.seed
    assert epochs[:2] == [("1", {"epoch": 1}), ("2", {"epoch": 2})]
    assert served["learned"] == set(clips["clip_id"])
    assert served["held"] == set()
    settings = served["settings"]
    assert (settings["stop_at"], settings["start_share"]) == (4, 0.25)  # the middle ones
    assert served["checkpoint"] == tmp_path / "all.npz"


def test_clips_of_a_whole_network_are_pooled_and_tempered_on_the_fourth_fold(network_task):
    of_network, _ = network_task
    outcome = FineTune().run(of_network)
    assert (outcome.estimator.level, outcome.rotations) == ("window", [])
    held_out, columns = outcome.held_out, ["p_cat", "p_hen", "p_owl"]
    assert sorted(held_out["clip_id"]) == sorted(of_network.target.clips["clip_id"])
    assert (outcome.windows.groupby("clip_id").size() == 2).all()
    pooled = outcome.windows.groupby("clip_id")[columns].mean().loc[held_out["clip_id"]]
    for fold, rows in held_out.groupby("fold"):
        expected = temper(pooled.loc[rows["clip_id"]], rows["temperature"].iloc[0])
        np.testing.assert_allclose(rows[columns], expected, err_msg=fold)
    chosen = outcome.facts["chosen"]
    assert [(c["best_epoch"], c["best_share"]) for c in chosen] == [
        *((2, 0.0), (3, 0.125), (4, 0.25), (5, 0.375), (6, 0.5))
    ]
    assert outcome.facts["served_with"] == {"stop_at": 4, "start_share": 0.25}
    temperatures = [c["temperature"] for c in chosen]
    assert held_out.groupby("fold")["temperature"].first().tolist() == temperatures
    assert outcome.temperature == Temperature(value=np.median(temperatures), clips=60)
    guess = held_out.filter(regex="^p_").idxmax(axis=1).str.removeprefix("p_")
    assert f1_score(held_out["label"], guess, average="macro") > 0.8


def test_a_whole_network_wants_the_features_that_it_reads(network_task, task, clips):
    of_network, _ = network_task
    with pytest.raises(ParameterError, match=r"end_to_end trains .* front_end, not .* of fake"):
        FineTune().run(replace(of_network, target=task(clips(THREE)).target))
    target = of_network.target
    embedded = replace(target.features, spec=replace(target.spec, layer="embedding"))
    with pytest.raises(ParameterError, match=r"front_end, not those of yamnet\.embedding"):
        FineTune().run(replace(of_network, target=WindowTable(target.clips, embedded)))
