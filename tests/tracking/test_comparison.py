"""Experiments found by name, side by side, and compared where they scored the same clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from faunashot.cli import compare as compare_command
from faunashot.errors import TrackingError
from faunashot.evaluation.significance import mcnemar_p, paired_runs
from faunashot.evaluation.summary import DRAWS, ENDS
from faunashot.tracking import comparison, pairing
from faunashot.tracking.experiments import DVC_STAGE, KIND, PARENT, find_runs
from faunashot.tracking.runs import stage_run

PARAMS = {"corpus": "demo", "backbone": "birdnet", "seed": 42}
CLASSES = ["cat", "NA", "owl"]


def scored(right: float, *, episodes: int = 4, seed: int = 0, n: int = 30) -> pd.DataFrame:
    """Predictions of which a share is right; a single run of all clips for 0 episodes."""
    rng = np.random.default_rng(seed)
    parts = []
    for episode in range(episodes) if episodes else [-1]:
        label = np.array(CLASSES)[np.arange(n) % 3]
        guess = np.where(rng.random(n) < right, label, rng.choice(CLASSES, n))
        table = pd.DataFrame(
            {"episode": episode, "fold": "1", "clip_id": [f"c{i}" for i in range(n)]}
        )
        table = table.assign(group=[f"g{i // 2}" for i in range(n)], label=label, predicted=guess)
        parts.append(table.assign(**{f"p_{c}": (guess == c).astype(float) for c in CLASSES}))
    return pd.concat(parts, ignore_index=True)


def curve(*scores: float) -> pd.DataFrame:
    low, high = np.array(scores) - 0.1, np.array(scores) + 0.1
    return pd.DataFrame(
        {
            "k": [1, 2, 4][: len(scores)],
            "macro_f1": scores,
            "macro_f1_low": low,
            "macro_f1_high": high,
        }
    )


def log(
    name: str,
    predictions: pd.DataFrame | None = None,
    *,
    k: int = 4,
    of: pd.DataFrame | None = None,
    **params: object,
) -> str:
    """Log a run as the evaluate stage does; gives the id of the parent."""
    given = {**PARAMS, **params, "name": name}
    with stage_run("evaluate", params=given, inputs=[], record=Path("r.json"), name=name) as run:
        run.parent_metrics({"macro_f1": 0.5, "k": k})
        if predictions is not None:
            run.table(predictions, "predictions")
        if of is not None:
            run.table(of, "curve")
    return run.parent_id


def refusal(project: Path, *names: str) -> str:
    with pytest.raises(TrackingError) as caught:
        pairing.differences(pairing.scored_runs(project, names))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_runs_are_found_by_name_by_dvc_s_name_and_by_id(project, client, monkeypatch):
    log("plain", scored(0.5))
    monkeypatch.setenv("DVC_EXP_NAME", "fast-cat")
    run_id = log("ignored", scored(0.6))

    by_name = pairing.scored_runs(project, ["plain", "fast-cat"])
    by_id = pairing.scored_runs(project, ["plain", run_id[:6]])

    assert [run.name for run in by_name] == [run.name for run in by_id] == ["plain", "fast-cat"]
    pd.testing.assert_frame_equal(by_id[1].predictions, scored(0.6))  # the class "NA" too
    assert by_id[1].facts == {"corpus": "demo", "k": 4, "seed": "42"}


def test_a_name_that_does_not_name_one_run_is_refused(project, client):
    assert "'any'" in refusal(project, "any", "other")
    ids = [log("twin", scored(0.5), system=system)[:8] for system in ("a", "b")]
    log("lonely")
    nearest = refusal(project, "twinn", "twin")
    assert "'twinn'" in nearest
    assert "'twin'" in nearest
    said = refusal(project, "lonely", "twin")
    assert "'twin'" in said
    assert all(run_id in said for run_id in ids)
    assert f"{ids[0]} and {ids[0]} are the same run" in refusal(project, ids[0], ids[0])
    lonely = refusal(project, ids[0], "lonely")
    assert lonely.startswith("lonely ")
    assert "evaluate" in lonely
    assert {run.name for run in pairing.scored_runs(project, ids)} == {
        f"twin ({run_id})" for run_id in ids
    }


def test_differences_are_those_of_the_tables_less_the_first(project, client):
    tables = {
        name: scored(right, seed=n)
        for n, (name, right) in enumerate({"weak": 0.3, "strong": 0.9, "twin": 0.3}.items())
    }
    for name, table in tables.items():
        log(name, table)

    rows = pairing.differences(pairing.scored_runs(project, list(tables)))

    assert [(row["experiment"], row["against"]) for row in rows] == [
        ("strong", "weak"),
        ("twin", "weak"),
    ]
    for row in rows:
        found = paired_runs(tables[row["experiment"]], tables["weak"], CLASSES)
        assert row["difference"] == round(found.macro_f1.value, 4)
        assert row["accuracy_difference_high"] == round(found.figures["accuracy"].high, 4)
        assert row["p_value"] == round(found.p_value, 4)
        assert row["p_mcnemar"] is None
        assert row["difference_draws_low"] == round(found.draws["macro_f1"].low, 4)
        assert row["pairing"] == "30 clips of 15 source recordings, in the same 4 episodes"
    assert rows[0]["difference_low"] > 0
    assert rows[0]["p_value"] == 0.125  # of four episodes, sixteen signs
    assert [row["p_holm"] for row in rows] == [0.25, max(0.25, rows[1]["p_value"])]


def test_without_episodes_mcnemar_s_test_is_there(project, client):
    one, two = scored(0.4, episodes=0), scored(0.8, episodes=0, seed=1)
    log("one", one)
    log("two", two)

    (row,) = pairing.differences(pairing.scored_runs(project, ["one", "two"]))

    right = [table["label"] == table["predicted"] for table in (two, one)]
    assert row["p_mcnemar"] == round(mcnemar_p(*right), 4)
    assert row["p_holm"] == row["p_value"]


def test_runs_of_several_labels_a_clip_are_compared_by_their_own_metrics(project, client):
    label = {"cat": "NA;cat", "NA": "", "owl": "owl"}
    one = scored(0.4, episodes=0).replace({"label": label})
    two = scored(0.8, episodes=0, seed=1).replace({"label": label})
    log("one", one)
    log("two", two)

    (row,) = pairing.differences(pairing.scored_runs(project, ["one", "two"]))

    found = paired_runs(two, one, CLASSES, multi_label=True)
    assert row["difference"] == round(found.macro_f1.value, 4)
    assert row["micro_f1_difference"] == round(found.figures["micro_f1"].value, 4) > 0
    assert "accuracy_difference" not in row
    assert row["p_mcnemar"] is None


@pytest.mark.parametrize(
    ("other", "settings", "what"),
    [
        (scored(0.5), {"corpus": "esc50"}, "corpus demo against esc50"),
        (scored(0.5, episodes=3), {}, "4 episodes against 3"),
        (scored(0.5).drop(columns="p_owl"), {}, "class 'owl' is in a alone"),
        (
            scored(0.5, n=27),
            {},
            "clip c27 of episode 0 is in a alone, and 11 further ones in one alone",
        ),
        (scored(0.5).replace({"clip_id": {"c3": "new"}}), {}, "clip c3 of episode 0 is in a alone"),
        (scored(0.5).assign(label="cat"), {}, "label of clip c1 of episode 0 is NA against cat"),
    ],
)
def test_runs_that_were_not_scored_alike_are_refused(project, client, other, settings, what):
    log("a", scored(0.5))
    log("b", other, **settings)
    said = refusal(project, "a", "b")
    assert said.startswith(f"a and b cannot be paired: {what}")


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"k": 5}, "; k 5 against 4"),
        ({"seed": 7}, "; draws of labelled clips: seed 7 against 42"),
    ],
)
def test_what_else_differs_is_said_of_runs_that_can_be_paired(project, client, settings, what):
    log("a", scored(0.5))
    log("b", scored(0.8, seed=1), **settings)
    (row,) = pairing.differences(pairing.scored_runs(project, ["a", "b"]))
    assert row["pairing"] == f"30 clips of 15 source recordings, in the same 4 episodes{what}"
    assert row["difference"] > 0


@pytest.mark.parametrize("turned", [False, True])
def test_a_run_that_scored_clips_once_is_paired_within_the_episodes_of_the_other(
    project, client, turned
):
    """As fine_tune and few_shot on the same clips: each episode scores half of them."""
    drawn, once = scored(0.5), scored(0.9, episodes=0)
    drawn = drawn[(drawn["clip_id"].str[1:].astype(int) % 2) == drawn["episode"] % 2]
    log("drawn", drawn)
    log("once", once)
    names = ["once", "drawn"] if turned else ["drawn", "once"]

    (row,) = pairing.differences(pairing.scored_runs(project, names))

    said = once.set_index("clip_id")["predicted"]
    beside = drawn.assign(predicted=drawn["clip_id"].map(said))
    found = paired_runs(*([drawn, beside] if turned else [beside, drawn]), CLASSES)
    assert row["difference"] == round(found.macro_f1.value, 4)
    assert row["difference_low"] == round(found.macro_f1.low, 4)
    assert row["difference_draws_low"] == round(found.draws["macro_f1"].low, 4)
    assert row["pairing"] == (
        "30 clips of 15 source recordings; once, which scored each once, by the 4 episodes of drawn"
    )


def test_an_experiment_says_what_became_of_it(project, client, monkeypatch):
    log("whole")
    for name in ("failed", "begun"):
        with (
            pytest.raises(RuntimeError),
            stage_run("train", params={"name": name}, inputs=[], record=Path("r.json"), name=name),
        ):
            raise RuntimeError("no memory")
    (begun,) = [
        run for run in find_runs(client, {KIND: "experiment"}) if run.info.run_name == "begun"
    ]
    client.set_terminated(begun.info.run_id, "FINISHED")  # a stage ended, the next has not begun
    with stage_run(
        "train", params={"name": "at it"}, inputs=[], record=Path("r.json"), name="at it"
    ):
        found = comparison.compare(project).set_index("name")["status"]
    assert found.to_dict() == {
        "whole": "finished",
        "failed": "failed",
        "begun": "no figures yet",
        "at it": "running",
    }


def test_runs_of_one_name_have_a_curve_each_in_the_panel_of_their_corpus(project, client):
    for scores in ((0.4, 0.5), (0.5, 0.6)):
        log("twin", of=curve(*scores), system="knn", tried=scores)
    log("twin", of=curve(0.5, 0.6), system="knn", corpus="esc50")
    log("again", of=curve(0.5, 0.6), system="knn", corpus="esc50", k_tried=3)
    found = comparison.curves(project)
    lines = found.groupby(["panel", "system"])["macro_f1"].apply(list)
    assert [panel for panel, _ in lines.index].count("demo") == 2
    assert lines["esc50"].to_dict() == {"birdnet-knn": [0.5, 0.6]}
    assert sorted(lines["demo"]) == [[0.4, 0.5], [0.5, 0.6]]
    assert comparison.curves(project, name="no*").empty


def test_an_old_run_without_groups_says_what_to_run(project, client):
    log("a", scored(0.5, episodes=0).drop(columns="group"))
    log("b", scored(0.5, episodes=0))
    said = refusal(project, "a", "b")
    assert "source recordings" in said
    assert "evaluate" in said


def test_labels_are_saved_by_the_better_of_two_curves(project, client):
    log("worse", scored(0.5), of=curve(0.4, 0.5, 0.6))
    log("better", scored(0.5), of=curve(0.5, 0.6, 0.7))
    log("point", scored(0.5), of=curve(0.5))
    log("none", scored(0.5))

    rows = pairing.saved(pairing.scored_runs(project, ["worse", "better", "point", "none"]))

    assert {(row["experiment"], row["against"]) for row in rows} == {("better", "worse")}
    assert [(row["k"], row["needed"], row["shown"]) for row in rows] == [
        (1, None, "under 1"),
        (2, 1.0, "1.0"),
        (4, 2.0, "2.0"),
    ]


def test_what_dvc_restored_is_read_from_the_run_that_made_it(project: Path, client: MlflowClient):
    made = log("made", scored(0.5), of=curve(0.4, 0.5))
    (source,) = find_runs(client, {PARENT: made, DVC_STAGE: "evaluate"})
    synced = log("synced")
    (empty,) = find_runs(client, {PARENT: synced, DVC_STAGE: "evaluate"})
    client.set_tag(empty.info.run_id, comparison.SYNCED_FROM, source.info.run_id)

    (run,) = pairing.scored_runs(project, ["synced"])

    pd.testing.assert_frame_equal(run.predictions, scored(0.5))
    assert set(comparison.curves(project, name="synced")["macro_f1"]) == {0.4, 0.5}


def test_what_a_failed_stage_logged_is_passed_over(project: Path, client: MlflowClient):
    parent = log("a", scored(0.5))
    (run,) = find_runs(client, {PARENT: parent, DVC_STAGE: "evaluate"})
    client.set_terminated(run.info.run_id, "FAILED")
    log("b", scored(0.5))
    assert refusal(project, "a", "b").startswith("a has no predictions in MLflow")


def test_curves_pass_over_runs_without_one(project, client):
    log("none", scored(0.5))
    assert comparison.curves(project).empty
    log("curved", of=curve(0.4, 0.5, 0.6))
    found = comparison.curves(project)
    assert found["macro_f1"].tolist() == [0.4, 0.5, 0.6]
    assert set(found["panel"]) == {"demo"}


def test_every_metric_of_a_run_is_a_column_beside_the_others(project, client):
    log("plain")
    with stage_run(
        "evaluate", params={"name": "more"}, inputs=[], record=Path("r.json"), name="more"
    ) as run:
        of_headline = {f"macro_f1{end}": 0.6 for end in (*ENDS, *DRAWS)}
        run.parent_metrics({**of_headline, "k": 4, "map": 0.9, "accuracy": 0.7})
        of_curve = {"map": [0.6, 0.9], "map_low": [0.5, 0.8], "map_high": [0.7, 0.95]}
        run.table(pd.DataFrame({"k": [1, 4], **of_curve}), "curve")

    table = comparison.compare(project).set_index("name")
    assert [name for name in table if "_" in name.removeprefix("macro_f1")] == [
        *("macro_f1_low", "macro_f1_high", "macro_f1_draws_low", "macro_f1_draws_high", "run_id"),
    ]
    assert table.loc["more", ["map", "accuracy", "macro_f1_draws_low"]].tolist() == [0.9, 0.7, 0.6]
    assert table.loc["plain", ["map", "macro_f1_low"]].isna().all()

    assert not [name for name in table if "leaking" in name]

    table = comparison.compare(project, with_intervals=["map"]).set_index("name")
    assert table.loc["more", ["map", "map_low", "map_high"]].tolist() == [0.9, 0.8, 0.95]
    assert table["k"].tolist() == [4, 4]


def test_random_folds_have_a_line_of_their_own_that_says_that_they_leak(project, client):
    log("plain")
    with stage_run("evaluate", params=PARAMS, inputs=[], record=Path("r.json"), name="both") as run:
        ends = {"macro_f1_low": 0.85, "macro_f1_high": 0.93, "difference": -0.4}
        leaking = {"macro_f1": 0.9, **ends}
        run.parent_metrics({"macro_f1": 0.5, "k": 4, "leaking_random_folds": leaking})

    table = comparison.compare(project).set_index("name")
    assert table.at["both", "leaking_random_folds.difference"] == -0.4
    assert pd.isna(table.at["plain", "leaking_random_folds.macro_f1"])

    rows = {row["name"]: row for row in compare_command.records(table.reset_index())}
    own, leak = compare_command._lines(rows["both"], metrics={"macro_f1": "macro-F1"})
    assert own["macro-F1"] == "0.5000"
    assert leak["experiment"] == "- over random folds, which leak: no result"
    assert (leak["macro-F1"], leak["95 % interval"]) == ("0.9000", "0.8500 to 0.9300")
    assert len(compare_command._lines(rows["plain"], metrics={"macro_f1": "macro-F1"})) == 1
