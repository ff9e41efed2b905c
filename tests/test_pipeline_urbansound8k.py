"""UrbanSound8K's published layout, a part of it with faults, through the whole pipeline."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from pipeline_project import RATE, call, change, flat, metrics_of, new_project, own_line, runs_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HEADER = ["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]
CLASSES = {"dog_bark": 3, "siren": 8, "drilling": 4}
FOLDS = (1, 2, 3, 10)
STRAY = "audio/fold2/1-3-0-9.wav"
"""A file that no row lists."""


def slice_of(class_id: int, recording: int, take: int) -> np.ndarray:
    """A second of a class' pitch, detuned by the recording, whose hum all of its slices share."""
    rng = np.random.default_rng([class_id, recording])
    t = np.arange(RATE) / RATE
    pitch = 150 * class_id * (1 + 0.3 * rng.standard_normal())
    hum = rng.uniform(2000, 6000)
    noise = np.random.default_rng([class_id, recording, take]).standard_normal(t.size)
    tones = 0.05 * np.sin(2 * np.pi * pitch * t) + 0.1 * np.sin(2 * np.pi * hum * t)
    return (tones + 0.05 * noise).clip(-1, 1)


def urbansound8k(root: Path) -> None:
    """Three recordings a class and fold, two slices of each, and one fault of each kind."""
    rows = []
    for fold in FOLDS:
        (root / f"audio/fold{fold}").mkdir(parents=True)
        for label, class_id in CLASSES.items():
            for number in range(3):
                recording = 1000 * class_id + 10 * fold + number
                for take in range(2):
                    name = f"{recording}-{class_id}-0-{take}.wav"
                    rows.append((name, recording, 0, 1, 1 + take, fold, class_id, label))
                    samples = slice_of(class_id, recording, take)
                    sf.write(root / f"audio/fold{fold}/{name}", samples, RATE)
    again = "3010-3-1-0.wav"  # fold 1's first dog, once more in fold 2
    rows.append((again, 3010, 0, 1, 1, 2, 3, "dog_bark"))
    sf.write(root / f"audio/fold2/{again}", slice_of(3, 77, 0), RATE)
    sf.write(root / STRAY, slice_of(3, 78, 0), RATE)
    rows.append(("5-8-0-0.wav", 5, 0, 1, 1, 4, 8, "siren"))  # no such file
    rows.append(("6-8-0-0.wav", 6, 0, 1, 1, 12, 8, "siren"))  # no such fold
    (root / "metadata").mkdir()
    with (root / "metadata/UrbanSound8K.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *rows])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus under its study's fixed parts, the fold to choose on absent."""
    made = new_project(tmp_path_factory.mktemp("urban") / "project", urbansound8k)
    change(made, corpus="urbansound8k", system="logistic", protocol__name="fine_tune")
    change(made, protocol__folds="published", evaluation__n_bootstrap=200)
    done = call(made, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    (made / "said.txt").write_text(done.stderr)
    return made


def figures(project: Path) -> dict:
    return json.loads((project / "reports/figures.json").read_text("utf-8"))


def test_what_is_wrong_or_lacking_is_told_and_counted(project):
    report = json.loads((project / "reports/ingest.json").read_text("utf-8"))["urbansound8k"]
    assert {bad["path"]: bad["reason"] for bad in report["bad"]} == {
        STRAY: "it has no row in metadata/UrbanSound8K.csv",
        "6-8-0-0.wav": "fold 12 in metadata/UrbanSound8K.csv is none of 1 to 10",
    }
    assert (report["missing"], report["missing_first"]) == (1, ["audio/fold4/5-8-0-0.wav"])
    assert report["missing_folds"] == ["4", "5", "6", "7", "8", "9"]
    said = (project / "said.txt").read_text()
    assert "no good clip in fold 4, 5, 6, 7, 8, 9" in said
    assert "several folds: 1, such as 3010 in 1 and 2; where one is scored" not in said
    assert "the published validation part has no clips: " in said
    assert "folds without a clip: 4, 5, 6, 7, 8, 9" in (project / "reports/report.html").read_text(
        "utf-8"
    )


def test_fold_ten_is_scored_and_given_by_salience(project):
    predictions = pd.read_csv(project / "predictions.csv")
    clips = pd.read_parquet(project / "clips/audited.parquet").set_index("clip_id")
    assert set(clips.loc[predictions["clip_id"], "fold"]) == {"10"}
    assert (
        clips.loc[predictions["clip_id"], "salience"].to_numpy() == predictions["salience"]
    ).all()
    found = figures(project)
    assert found["clips"] == 18
    assert {name: of["clips"] for name, of in found["salience"].items()} == {
        "background": 9,
        "foreground": 9,
    }
    assert "Foreground and background" in (project / "reports/report.html").read_text("utf-8")


def test_random_folds_stand_beside_the_official_ones_everywhere(project):
    change(project, protocol__folds="random")
    done = call(project, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "several folds: 1, such as 3010 in 1 and 2; where one is scored" in done.stderr
    metrics = json.loads((project / "metrics.json").read_text("utf-8"))
    leaking = metrics["leaking_random_folds"]
    assert metrics["clips"] == 73
    assert leaking["macro_f1"] > metrics["macro_f1"]
    assert leaking["difference"] == pytest.approx(
        metrics["macro_f1"] - leaking["macro_f1"], abs=2e-4
    )
    assert figures(project)["conditions"]["leaking_random_folds"].items() >= leaking.items()
    assert "leak" not in figures(project)
    page = (project / "reports/report.html").read_text("utf-8")
    assert "would be gained by random folds, which leak" in page
    parents = [run for run in runs_of(project) if run.get("mlflow.parentRunId") is None]
    logged = [metrics_of(project, run["run_id"]) for run in parents]
    assert any(flat(metrics).items() <= each.items() for each in logged)
    shown = call(project, "faunashot", "compare")
    assert f"{leaking['macro_f1']:.4f}" in shown.stdout
    assert "leak" in shown.stdout
    assert f"{leaking['macro_f1']:.4f}" in call(project, "faunashot", "show").stdout


def test_its_study_is_reproduced_by_one_command(project, tfhub):
    study = ("studies/urbansound8k-windows.yaml", "--only", "system=lightgbm")
    done = call(project, "faunashot", "study", *study, "-S", "root=data/recordings", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["window.accuracy"] == figures(project)["window"]["accuracy"]
    beside = pd.read_csv(project / "reports/studies/urbansound8k-windows-published.csv")
    beside = beside.set_index("metric")
    published = {"accuracy": 0.802, "macro_f1": 0.819}
    published |= {"window.accuracy": 0.744, "window.macro_f1": 0.758}
    assert beside["published"].to_dict() == published
    for metric, value in published.items():
        assert beside.loc[metric, "difference"] == pytest.approx(row[metric] - value)
    assert [each["ours"] for each in row["published"]] == beside["ours"].tolist()


def test_without_the_fold_that_is_scored_it_is_refused_in_one_line(project):
    change(project, protocol__folds="published", corpora__urbansound8k={"classes": ["siren"]})
    (project / "data/recordings/audio/fold10").rename(project / "data/recordings/audio/fold10x")
    done = call(project, "python", "-m", "faunashot.pipeline", "check")
    assert done.returncode == 1
    assert own_line(done.stderr) == (
        "urbansound8k: no clip is in fold 10, which protocol.folds=published has scored: add it, "
        "or set protocol.folds=official"
    )
