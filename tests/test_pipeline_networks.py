"""A network trained from scratch through the whole pipeline, under noise, and what it leaves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from pipeline_project import (
    RATE,
    call,
    change,
    embedded_now,
    metrics_of,
    new_project,
    own_line,
    runs_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MODEL = "models/logmel_frames-cnn1d-wind"


PITCH_HZ = {"frog": 300, "owl": 900, "wren": 2700}


def short_clips(root: Path) -> None:
    """Three classes of ten clips of a second, in folders: calls of a pitch, clearly heard."""
    t = np.arange(RATE) / RATE
    for label, pitch_hz in PITCH_HZ.items():
        (root / label).mkdir()
        for number in range(10):
            rng = np.random.default_rng([pitch_hz, number])
            call_hz = pitch_hz * rng.uniform(0.9, 1.1)
            sound = 0.3 * np.sin(2 * np.pi * call_hz * t) * (t > rng.uniform(0, 0.5))
            sf.write(root / label / f"{number}.wav", sound + rng.normal(0, 0.01, RATE), RATE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose pipeline has run with the network that learns under naive noise."""
    project = new_project(tmp_path_factory.mktemp("networks"), short_clips)
    (project / "data/wind").mkdir()
    for number in range(2):
        wind = np.random.default_rng(number).normal(0, 0.1, 2 * RATE)
        sf.write(project / f"data/wind/{number}.wav", wind, RATE)
    change(project, backbone="logmel_frames", system="cnn1d-wind", protocol__name="fine_tune")
    change(project, noise__root="data/wind", conditions__noise__snr_db=[0])
    done = call(project, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return project


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "copy", symlinks=True)


def test_every_clip_is_scored_once_and_once_more_under_noise(trained):
    held_out = pd.read_parquet(trained / "predictions/held_out.parquet")
    assert held_out.groupby("condition")["clip_id"].nunique().to_dict() == {"main": 30, "snr_0": 30}
    assert len(held_out) == 60
    metrics = json.loads((trained / "reports/figures.json").read_text())
    assert metrics["accuracy"] > 0.5  # chance is a third
    assert metrics["conditions"].keys() == {"snr_0"}
    page = (trained / "reports/report.html").read_text()
    assert f"difference {metrics['conditions']['snr_0']['difference']:.4f}, " in page


def test_the_curves_of_every_fold_are_in_mlflow(trained):
    (run,) = [run for run in runs_of(trained) if run.get("dvc.stage") == "train"]
    found = metrics_of(trained, run["run_id"])
    for fold in ("1", "2", "3", "4", "5", "all"):
        for name in ("loss", "validation_loss", "validation_accuracy", "learning_rate", "waited"):
            assert f"epoch.{fold}.{name}" in found


def test_the_card_says_what_the_network_costs(trained):
    facts = json.loads((trained / MODEL / "model.json").read_text())
    assert facts["system"]["settings"]["noise"] == "naive"
    card = (trained / "reports/model_card.md").read_text()
    assert f"a network of {facts['cost']['parameters']:,} parameters" in card
    assert "million multiply-adds" in card


def test_the_model_recognises(trained):
    files = [f"data/recordings/{label}/3.wav" for label in PITCH_HZ]
    done = call(trained, "faunashot", "recognise", *files, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    for row in rows:
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert [row["label"] for row in rows] == list(PITCH_HZ)  # it has learned them


def test_nothing_is_left_to_do(trained):
    assert "Running stage" not in call(trained, "dvc", "repro").stdout


def test_without_noise_recordings_it_says_what_to_set(copy):
    change(copy, noise__root="data/none", conditions__noise__snr_db=[])
    done = call(copy, "dvc", "repro", "embed")
    assert done.returncode != 0
    said = own_line(done.stderr)
    assert said.startswith("noise.root: folder has no Noise/Wind of its own")


def test_a_variant_is_another_experiment(copy):
    change(copy, variant="whole.noise.nothing")
    assert "did you mean" in own_line(call(copy, "dvc", "repro").stderr)
    change(copy, variant="whole.noise.none")
    done = call(copy, "dvc", "repro", "embed")
    assert done.returncode == 0, done.stderr
    assert embedded_now(done.stderr) == {"folder": 0, "folder, snr_0": 0}  # no noise to learn from
