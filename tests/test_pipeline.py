"""The pipeline as a user runs it: figures agree wherever they stand, nothing is done twice."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from pipeline_project import (
    PITCH_HZ,
    RATE,
    call,
    change,
    commit,
    embedded_now,
    label_rows,
    metrics_of,
    own_line,
    params_of,
    runs_of,
    tone,
)
from sklearn.metrics import f1_score

from faunashot.features import store

FEATURES = "features/main/folder/logmel_stats"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_everything_that_is_promised_is_there(whole):
    for name in (
        *("metrics.json", "curve.csv", "predictions.csv"),
        *(f"plots/{name}.csv" for name in ("per_class", "confusion", "calibration", "curve")),
        *("reports/report.html", "reports/model_card.md", "reports/figures.json"),
        *("reports/ingest.json", "reports/audit.json"),
        "models/logmel_stats-rectified/model.json",
        "models/logmel_stats-rectified/estimator/head.skops",
    ):
        assert (whole / name).stat().st_size > 0, name


def test_figures_agree_to_the_last_digit_wherever_they_stand(whole):
    metrics = json.loads((whole / "metrics.json").read_text())
    assert 0.3 < metrics["macro_f1"] < 1
    assert metrics.items() <= json.loads((whole / "reports/figures.json").read_text()).items()
    assert len(metrics) == 12
    shown = json.loads(call(whole, "faunashot", "show", "--json").stdout)
    assert shown["metrics"] == metrics
    by_dvc = json.loads(call(whole, "dvc", "metrics", "show", "--json").stdout)
    assert by_dvc[""]["data"]["metrics.json"]["data"] == metrics
    (parent,) = [run for run in runs_of(whole) if "mlflow.parentRunId" not in run]
    logged = metrics_of(whole, parent["run_id"])
    assert logged == metrics
    (compared,) = json.loads(call(whole, "faunashot", "compare", "--json").stdout)
    assert compared["macro_f1"] == metrics["macro_f1"]


def test_the_curve_agrees_with_the_headline_and_with_mlflow(whole):
    curve = pd.read_csv(whole / "curve.csv").set_index("k")
    metrics = json.loads((whole / "metrics.json").read_text())
    assert curve.index.tolist() == [1, 2, 5]  # of ten clips, two are in the test fold
    assert curve["labelled_least"].tolist() == curve["labelled_most"].tolist() == [1, 2, 5]
    assert curve.at[5, "macro_f1"] == metrics["macro_f1"]
    (run,) = [run for run in runs_of(whole) if run.get("dvc.stage") == "evaluate"]
    with closing(sqlite3.connect(whole / "mlruns" / "mlflow.db")) as database:
        steps = database.execute(
            "SELECT step, value FROM metrics WHERE run_uuid = ? AND key = 'curve.macro_f1'",
            (run["run_id"],),
        ).fetchall()
    assert dict(steps) == curve["macro_f1"].to_dict()


def test_predictions_recompute_to_the_headline(whole):
    predictions = pd.read_csv(whole / "predictions.csv")
    each = [
        f1_score(of["label"], of["predicted"], average="macro")
        for _, of in predictions.groupby("episode")
    ]
    metrics = json.loads((whole / "metrics.json").read_text())
    assert metrics["macro_f1"] == round(float(np.mean(each)), 4)
    assert f"{metrics['macro_f1']:.4f}" in (whole / "reports/report.html").read_text()


def test_every_stage_is_a_finished_run_below_one_parent(whole):
    runs = runs_of(whole)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run]
    children = [run for run in runs if run is not parent]
    assert {run["dvc.stage"] for run in children} == {
        *("ingest", "audit", "embed", "train", "evaluate", "report")
    }
    assert {run["mlflow.parentRunId"] for run in children} == {parent["run_id"]}
    assert {run["status"] for run in runs} == {"FINISHED"}


def test_stages_log_the_parameters_that_they_use(whole):
    stages = [run for run in runs_of(whole) if "dvc.stage" in run]
    of_stage = {run["dvc.stage"]: params_of(whole, run["run_id"]) for run in stages}
    train = of_stage["train"]
    assert (train["corpus"], train["backbone"]) == ("folder", "logmel_stats")
    assert (train["system"], train["conditions.equalised.score"]) == ("rectified", "False")
    assert (train["protocol.k"], train["protocols.few_shot.episodes"], train["seed"]) == (
        "5",
        "5",
        "42",
    )
    embed = of_stage["embed"]
    hop_s = "backbones.logmel_stats.hop_s"
    assert train[hop_s] == embed[hop_s] == "0.5"
    assert of_stage["evaluate"]["evaluation.confidence_level"] == "0.95"
    assert of_stage["ingest"]["ingest.max_bad_share"] == "0.1"


def test_a_second_run_does_nothing_and_the_status_is_clean(whole):
    again = call(whole, "dvc", "repro")
    assert "Running stage" not in again.stdout
    assert "Data and pipelines are up to date." in again.stdout
    assert call(whole, "dvc", "status").stdout.strip() == "Data and pipelines are up to date."


def test_another_k_does_not_embed_again(copy):
    change(copy, protocol__k=2)
    planned = call(copy, "dvc", "repro", "--dry").stdout
    assert re.findall("Running stage '(.*)'", planned)[:2] == ["check", "train"]


def test_sync_finds_nothing_to_do_the_second_time(copy):
    json.loads(call(copy, "faunashot", "sync", "--json").stdout)
    assert json.loads(call(copy, "faunashot", "sync", "--json").stdout) == []


def test_experiments_are_compared_in_a_plot(copy):
    done = call(
        copy, "faunashot", "compare", "--only", "folder-*", "--plot", "curves.png", "--json"
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["macro_f1"] == json.loads((copy / "metrics.json").read_text())["macro_f1"]
    assert (copy / "curves.png").read_bytes().startswith(b"\x89PNG")
    none = call(copy, "faunashot", "compare", "--only", "nothing", "--plot", "none.png")
    assert none.returncode == 1
    assert own_line(none.stderr) == (
        "--only nothing: no experiment has such a name; `*` stands for all"
    )


def test_experiments_are_compared_by_name(copy):
    change(copy, system="knn")
    assert call(copy, "dvc", "exp", "run", "-n", "neighbours").returncode == 0
    first = "folder-logmel_stats-rectified-few_shot-k5"
    done = call(copy, "faunashot", "compare", first, "neighbours", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    (row,) = found["differences"]
    by_name = {
        each["name"]: each
        for each in json.loads(call(copy, "faunashot", "compare", "--json").stdout)
    }
    gap = by_name["neighbours"]["macro_f1"] - by_name[first]["macro_f1"]
    assert row["difference"] == pytest.approx(gap, abs=2e-4)
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert [each["k"] for each in found["labels_saved"]] == [1, 2, 5]

    change(copy, protocol__k=2)
    assert call(copy, "dvc", "exp", "run", "-n", "fewer").returncode == 0
    done = call(copy, "faunashot", "compare", "neighbours", "fewer", "--json")
    (row,) = json.loads(done.stdout)["differences"]
    assert row["pairing"].endswith("in the same 5 episodes; k 2 against 5")


def test_a_study_has_an_experiment_that_dvc_restored_from_its_cache(copy):
    (copy / "study.yaml").write_text("name: again\ngrid: {protocol.k: [5]}\n")
    done = call(copy, "faunashot", "study", "study.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert "Running stage" not in done.stderr
    (row,) = json.loads(done.stdout)
    assert row["protocol.k"] == 5
    assert row["macro_f1"] == json.loads((copy / "metrics.json").read_text())["macro_f1"]
    assert (copy / "reports" / "studies" / "again-classes.png").is_file()


def test_recordings_that_are_added_are_embedded_alone(copy):
    recordings = copy / "data" / "recordings"
    for label in PITCH_HZ:
        sf.write(recordings / f"{label}-10.wav", tone(label, 10), RATE)
    listed = [(f"{label}-{n}.wav", label, 1 + n % 5) for label in PITCH_HZ for n in range(11)]
    label_rows(recordings, listed)
    before = len(store.load(copy / FEATURES).index)
    done = call(copy, "dvc", "repro", "embed")
    windows = len(store.load(copy / FEATURES).index)
    assert windows == before * 11 // 10
    assert embedded_now(done.stderr) == {"folder": windows - before}, done.stderr


def test_no_recording_is_embedded_twice_whatever_is_run(copy):
    """A, B, A and both; a queued run; the command; all over one cache."""

    def embedded(**values: object) -> int:
        change(copy, **values)
        done = call(copy, "dvc", "repro", "embed")
        assert done.returncode == 0, done.stderr
        return sum(embedded_now(done.stderr).values())

    shutil.rmtree(copy / ".cache")
    assert embedded(frontends__logmel_stats__hop_s=0.25) > 0
    assert embedded(backbone="mel_patches") > 0
    assert embedded(backbone="logmel_stats") == 0
    assert embedded(backbone="mel_patches+logmel_stats") == 0
    arguments = ["data/recordings", "--backbone", "mel_patches", "--out", "store", "--json"]
    (row,) = json.loads(call(copy, "faunashot", "embed", *arguments).stdout)
    assert (row["embedded"], row["windows"] > 0) == (0, True)
    assert call(copy, "dvc", "add", "data/recordings").returncode == 0
    commit(copy)
    axes = ["-S", "backbone=mel_patches", "-S", "system=knn"]
    assert call(copy, "dvc", "exp", "run", "--queue", "-n", "queued", *axes).returncode == 0
    done = call(copy, "dvc", "exp", "run", "--run-all")
    assert done.returncode == 0, done.stderr
    assert embedded_now(done.stdout) == {"folder": 0}


def test_queued_experiments_leave_their_figures_in_one_store(copy):
    assert call(copy, "dvc", "add", "data/recordings").returncode == 0
    commit(copy)
    for k in (1, 2):
        queued = call(copy, "dvc", "exp", "run", "--queue", "-n", f"k-{k}", "-S", f"protocol.k={k}")
        assert queued.returncode == 0, queued.stderr
    done = call(copy, "dvc", "exp", "run", "--run-all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running stage 'train'" in done.stdout
    assert "Running stage 'embed" not in done.stdout
    rows = json.loads(call(copy, "faunashot", "compare", "--only", "k-*", "--json").stdout)
    assert {(row["name"], row["k"]) for row in rows} == {("k-1", 1), ("k-2", 2)}
    curve = pd.read_csv(copy / "curve.csv").set_index("k")["macro_f1"]
    assert {row["k"]: row["macro_f1"] for row in rows} == curve.loc[[1, 2]].to_dict()


def test_a_run_goes_on_while_mlflow_s_server_is_away(copy):
    """The file .env names it, with a password that is not shown."""
    (copy / ".env").write_text("MLFLOW_TRACKING_URI=http://me:sesame@127.0.0.1:9\n")
    before = json.loads((copy / "metrics.json").read_text())
    done = call(copy, "dvc", "repro", "--force", "--single-item", "evaluate")
    assert done.returncode == 0, done.stderr
    assert own_line(done.stderr).startswith("warning: http://127.0.0.1:9 does not answer; the ")
    assert "not registered: dvc repro --force --single-item evaluate" in done.stderr
    assert "sesame" not in done.stdout + done.stderr
    assert json.loads((copy / "metrics.json").read_text()) == before
    assert (copy / "reports" / "model_card.md").stat().st_size > 0
