"""UrbanSound8K's published layout, a part of it with faults, through the whole pipeline."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from long_running import LONG
from pipeline_project import RATE, call, change, flat, metrics_of, new_project, runs_of

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
    """Two recordings a class and fold, two slices of each, and one fault of each kind."""
    rows = []
    for fold in FOLDS:
        (root / f"audio/fold{fold}").mkdir(parents=True)
        for label, class_id in CLASSES.items():
            for number in range(2):
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


ALL_STAGES = """
import shutil
from pathlib import Path
from faunashot.pipeline import STAGES, run_stage
for name in STAGES[: STAGES.index("train") + 1]:
    run_stage(name)
shutil.copytree("predictions", "published")
file = Path("params.yaml")
file.write_text(file.read_text("utf-8").replace("folds: published", "folds: random"), "utf-8")
for name in STAGES[STAGES.index("train") :]:
    run_stage(name)
"""
"""Under the study's parts until clips are scored, then over official folds with random beside."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The project after all stages, in one process as imports take the most, and what was said."""
    project = new_project(tmp_path_factory.mktemp("urban") / "project", urbansound8k)
    change(project, corpus="urbansound8k", system="logistic", protocol__name="fine_tune")
    change(project, protocol__folds="published", evaluation__n_bootstrap=200)
    done = call(project, sys.executable, "-c", ALL_STAGES)
    assert done.returncode == 0, done.stdout + done.stderr
    return project, done.stderr


def read(project: Path, name: str) -> dict:
    return json.loads((project / name).read_text("utf-8"))


def test_what_is_wrong_or_lacking_is_told_and_counted(ran):
    project, said = ran
    report = read(project, "reports/ingest.json")["urbansound8k"]
    assert {bad["path"]: bad["reason"] for bad in report["bad"]} == {
        STRAY: "it has no row in metadata/UrbanSound8K.csv",
        "6-8-0-0.wav": "fold 12 in metadata/UrbanSound8K.csv is none of 1 to 10",
    }
    assert (report["missing"], report["missing_first"]) == (1, ["audio/fold4/5-8-0-0.wav"])
    assert report["missing_folds"] == ["4", "5", "6", "7", "8", "9"]
    assert "folds without a good clip: 4, 5, 6, 7, 8, 9" in said
    assert "several folds: 1, such as 3010-3-0-0 in 1 and 3010-3-1-0 in 2; where one is" in said
    page = (project / "reports/report.html").read_text("utf-8")
    assert "folds without a good clip: 4, 5, 6, 7, 8, 9" in page


def test_figures_are_given_by_salience(ran):
    project, _ = ran
    predictions = pd.read_csv(project / "predictions.csv")
    clips = pd.read_parquet(project / "clips/audited.parquet").set_index("clip_id")
    told = clips.loc[predictions["clip_id"], "salience"].to_numpy()
    assert (told == predictions["salience"]).all()
    found = read(project, "reports/figures.json")["salience"]
    assert {name: of["clips"] for name, of in found.items()} == {"background": 24, "foreground": 25}
    table = pd.read_csv(project / "plots/salience.csv").set_index("salience")
    page = (project / "reports/report.html").read_text("utf-8")
    assert "Foreground and background" in page
    for name, of in found.items():
        assert table.at[name, "macro_f1"] == of["macro_f1"]
        assert f"<td>{name}</td><td>{of['clips']}</td><td>{of['macro_f1']:.4f}</td>" in page


def test_random_folds_stand_beside_the_official_ones(ran):
    project, _ = ran
    metrics, figures = read(project, "metrics.json"), read(project, "reports/figures.json")
    leaking = metrics["leaking_random_folds"]
    assert metrics["clips"] == 49
    assert leaking["macro_f1"] > metrics["macro_f1"]
    gap = metrics["macro_f1"] - leaking["macro_f1"]
    assert leaking["difference"] == pytest.approx(gap, abs=2e-4)
    assert leaking["difference_high"] < 0
    assert figures["conditions"]["leaking_random_folds"].items() >= leaking.items()
    assert "leak" not in figures
    page = (project / "reports/report.html").read_text("utf-8")
    assert "would be gained by random folds, which leak" in page
    logged = [metrics_of(project, run["run_id"]) for run in runs_of(project)]
    assert any(flat(metrics).items() <= each.items() for each in logged)
    shown = call(project, "faunashot", "show").stdout
    assert f"which leak and give no result: macro-F1 {leaking['macro_f1']:.4f}" in shown


def test_fold_ten_is_scored_where_the_study_s_parts_are_asked_for(ran):
    project, said = ran
    assert "the published validation part has no clips: 6 of fold 3, not learned" in said
    held_out = pd.read_parquet(project / "published/held_out.parquet")
    fold = pd.read_parquet(project / "clips/audited.parquet").set_index("clip_id")["fold"]
    assert set(fold[held_out["clip_id"]]) == {"10"}
    assert len(held_out) == 12


@LONG
def test_its_study_is_reproduced_by_one_command(ran, tfhub):
    project, _ = ran
    study = ("studies/urbansound8k-windows.yaml", "--only", "system=lightgbm")
    done = call(project, "faunashot", "study", *study, "-S", "root=data/recordings", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["window.accuracy"] == read(project, "reports/figures.json")["window"]["accuracy"]
    table = pd.read_csv(project / "reports/studies/urbansound8k-windows-published.csv")
    beside = table.set_index("metric")
    published = {"accuracy": 0.802, "macro_f1": 0.819}
    published |= {"window.accuracy": 0.744, "window.macro_f1": 0.758}
    assert beside["published"].to_dict() == published
    for metric, value in published.items():
        assert beside.at[metric, "difference"] == pytest.approx(row[metric] - value)
    assert [each["ours"] for each in row["published"]] == beside["ours"].tolist()
