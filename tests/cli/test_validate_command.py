"""`faunashot validate`: plan, draw, fit, from a table of detections to a model's thresholds."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from faunashot.systems.record import BackboneRecord, TrainedSystem


@pytest.fixture
def detections(tmp_path):
    rng = np.random.default_rng(0)
    rows = [
        {"file": "a.wav", "start_s": n, "end_s": n + 1, "label": label, "score": rng.random()}
        for label, size in (("owl", 200), ("wren", 12))
        for n in range(size)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "det.csv", index=False)
    return tmp_path / "det.csv"


@pytest.fixture
def checks(faunashot, detections, tmp_path):
    """A sample in which owls are right above a score of 0.4, and wrens never."""
    answer = faunashot("validate", "draw", "det.csv", "--out", "checks", "--per-class", "30")
    assert answer.out.startswith("42 of 212 detections of 2 classes in checks\n")
    assert answer.err == "faunashot: no selection table for Raven: a.wav: no such file\n"
    table = pd.read_csv(tmp_path / "checks" / "checks.csv", dtype=str, keep_default_na=False)
    right = (table["label"] == "owl") & (table["score"].astype(float) > 0.4)
    table["correct"] = np.where(right, "yes", "no")
    table.loc[table["label"].eq("owl").idxmax(), "correct"] = "uncertain"
    table.to_csv(tmp_path / "checks" / "checks.csv", index=False)
    return tmp_path / "checks"


def test_the_checks_become_a_threshold_in_a_copy_of_the_model(faunashot, checks, tmp_path):
    made_with = BackboneRecord(name="logmel_stats", options={}, weights_hash="")
    (tmp_path / "model").mkdir()
    TrainedSystem(estimator="p", backbones=[made_with], classes=["owl", "wren"]).write(
        tmp_path / "model"
    )
    answer = faunashot(
        *("validate", "fit", "checks", "--precision", "0.8", "--at", "0.5", "--plot", "p.png"),
        *("--model", "model", "--out", "new"),
    )
    assert answer.code == 0
    assert "wren: a precision of 0.8 is not reached; it is at most 0.00 [0.00, 0.00]" in answer.err
    assert "1 uncertain ones are left out" in answer.out
    assert "1 thresholds set in new, a copy of model, which is as it was" in answer.out
    written = TrainedSystem.read(tmp_path / "new").thresholds
    assert set(written) == {"owl"}
    assert 0.2 < written["owl"].value < 0.5
    assert TrainedSystem.read(tmp_path / "model").thresholds == {}
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_answers_as_json(faunashot, checks):
    answer = faunashot("validate", "fit", "checks", "--precision", "0.8", "--json")
    owl, wren = json.loads(answer.out)
    assert owl["threshold"]["n"] == owl["right"] + owl["wrong"] == 29
    assert owl["bounds"]["all_wrong"]["value"] <= owl["bounds"]["all_right"]["value"]
    assert "threshold" not in wren
    assert wren["precision"] == {"value": 0.0, "low": 0.0, "high": 0.0}  # all were checked


def test_a_plan_by_class_and_without_a_table(faunashot, detections):
    answer = faunashot("validate", "plan", "--half-width", "0.05", "--expect", "0.9", "--json")
    assert json.loads(answer.out)[0]["checks"] == 141
    answer = faunashot(
        *("validate", "plan", "det.csv", "--half-width", "0.1", "--threshold", "0.5", "--json"),
        *("--expect", "0.7", "--expect", "owl=0.95"),
    )
    owl, wren = json.loads(answer.out)
    assert (owl["expected"], wren["expected"]) == (0.95, 0.7)
    assert owl["checks"] < 200
    assert (
        "Next: faunashot validate draw"
        in faunashot("validate", "plan", "det.csv", "--show", "0.7").out
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "det.csv"), "say what is wanted"),
        (("plan", "--half-width", "0.1", "--expect", "much"), "--expect much"),
        (("plan", "det.csv", "--half-width", "0.1", "--expect", "own=0.9"), "did you mean 'owl'"),
        (("draw", "det.csv", "--out", "new", "--labels", "own"), "did you mean 'owl'"),
        (("draw", "none.csv", "--out", "new"), "none.csv"),
        (("draw", "marked.csv", "--out", "new"), "has no score"),
        (("draw", "two.csv", "--out", "new"), "a and b, whose scores are not alike"),
        (("draw", "two.csv", "--out", "new", "--of-model", "c"), "--of-model"),
        (("draw", "det.csv", "--out", "."), "holds something"),
        (("fit", "none"), "holds no sample"),
        (("fit", "checks", "--precision", "1"), "between 0 and 1"),
        (("fit", "checks", "--model", "m"), "--model, --precision and --out"),
        (("fit", "checks", "--plot", "p.doc"), "ends in .png"),
        (("fit", "checks", "--at", "half"), "--at half"),
    ],
)
def test_what_cannot_be_done_is_one_line(faunashot, checks, tmp_path, arguments, said):
    table = pd.read_csv(tmp_path / "det.csv").head(2)
    table.drop(columns="score").to_csv(tmp_path / "marked.csv", index=False)
    table.assign(model=["a", "b"]).to_csv(tmp_path / "two.csv", index=False)
    answer = faunashot("validate", *arguments)
    assert answer.code == 1
    (line,) = answer.err.splitlines()
    assert said in line
    assert not (tmp_path / "new").exists()
