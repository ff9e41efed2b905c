"""``faunashot ablate`` on a small workspace, its networks stood in for by class means."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from faunashot.audio.melspec import FRAMES, N_MELS
from faunashot.estimators.examples import Scores
from faunashot.estimators.pooling import pool
from faunashot.estimators.windows import from_scratch
from faunashot.features import store
from faunashot.features.store import Features, FeatureSpec
from faunashot.systems.catalogue import system
from faunashot.systems.variants import variants

ROOT = Path(__file__).resolve().parents[2]
DIM = FRAMES * N_MELS
VARIANTS = variants(system("cnn1d-enhanced"))


class Nearest(from_scratch.FromScratch):
    """Stands for the network: nearest class means, which calibrated noise makes better."""

    def fit(self, train: Any, *, unlabelled: Any, validation: Any, context: Any) -> Nearest:
        X, y = train.windows(), train.labels[train.clip_of]
        self.classes_, self.history_ = np.unique(y), [{"epoch": 1}]
        self.means = np.stack([X[y == name, :8].mean(axis=0) for name in self.classes_])
        assert (context.noise() is not None) or self.options.noise == "none"
        return self

    def predict(self, examples: Any) -> Scores:
        windows = self.predict_proba(examples.windows())
        return Scores(tuple(self.classes_), windows, pool(windows, examples))

    def predict_proba(self, X: Any) -> np.ndarray:
        blur = 0.0 if self.options.noise == "calibrated" else 2.5
        drawn = np.random.default_rng(self.seed).normal(0, blur, (len(X), 1, 8))
        closeness = -np.linalg.norm(X[:, None, :8] + drawn - self.means, axis=2)
        return np.exp(closeness) / np.exp(closeness).sum(axis=1, keepdims=True)


Nearest.__module__ = from_scratch.__name__  # whose class it stands for


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """What a run of the pipeline leaves, of sixty clips."""
    monkeypatch.setattr(from_scratch, "FromScratch", Nearest)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    label = np.repeat(["cat", "hen", "owl"], 20)
    ids = [f"{i:02d}" for i in range(60)]
    clips = pd.DataFrame({"clip_id": ids, "label": label, "group": ids, "role": "target"})
    clips["fold"] = [str(1 + i % 5) for i in range(60)]
    (tmp_path / "clips").mkdir()
    clips.to_parquet(tmp_path / "clips/audited.parquet")
    rng = np.random.default_rng(0)
    windows = np.zeros((60, DIM), np.float32)
    windows[:, :8] = rng.normal(size=(60, 8)) + 2 * np.eye(8)[np.repeat(range(3), 20)]
    spec = FeatureSpec("logmel_frames", "1", "", 16_000, 16.0, 16.0, DIM)
    index = pd.DataFrame({"clip_id": ids, "start_s": 0.0, "end_s": 1.0})
    store.save(Features(windows, index, spec), tmp_path / "features/main/demo/logmel_frames")
    noise = Features(windows[:2], index.iloc[:2], spec)
    store.save(noise, tmp_path / "features/noise/logmel_frames")
    return tmp_path


Command = Callable[..., Any]


def ablate(faunashot: Command, *more: str) -> Any:
    return faunashot("ablate", "cnn1d-enhanced", "--seeds", "2", "--workers", "1", *more)


def test_every_ingredient_gets_a_row_and_a_place_in_the_plot(workspace, faunashot):
    answer = ablate(faunashot, "--json")
    assert answer.code == 0, answer.err
    rows = {row["variant"]: row for row in json.loads(answer.out)}
    assert rows.keys() == VARIANTS.keys() - {"whole", "bare"}
    noise = rows["whole.noise.none"]
    assert noise["accuracy"] > 0.2
    assert noise["accuracy_low"] > 0
    assert rows["whole.mixup.with"]["accuracy"] == 0  # the stand-in knows nothing of it
    figures = pd.read_csv(workspace / "reports/ablation/cnn1d-enhanced.csv")
    assert figures["variant"].tolist() == list(VARIANTS)
    of = figures.set_index("variant")["accuracy"]
    assert noise["accuracy"] == pytest.approx(of["whole"] - of["whole.noise.none"], abs=2e-4)
    assert (workspace / "reports/ablation/cnn1d-enhanced.png").stat().st_size > 10_000
    again = ablate(faunashot)
    assert "noise (calibrated) in the whole system +0." in " ".join(again.out.split())


def test_what_was_trained_is_not_trained_again(workspace, faunashot, monkeypatch):
    first = ablate(faunashot, "--json")
    assert first.code == 0, first.err
    monkeypatch.setattr(Nearest, "fit", None)
    assert ablate(faunashot, "--json").out == first.out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("cnn1d-enhancd", "did you mean 'cnn1d-enhanced'"),
        ("logistic", "logistic has no ingredients: name a network trained from scratch"),
    ],
)
def test_a_system_that_cannot_be_taken_apart_is_refused(workspace, faunashot, name, said):
    answer = faunashot("ablate", name)
    assert answer.code == 1
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_without_features_it_says_how_to_make_them(workspace, faunashot):
    shutil.rmtree(workspace / "features/noise")
    answer = ablate(faunashot)
    assert answer.code == 1
    assert "dvc exp run -S system=cnn1d-enhanced -S backbone=logmel_frames" in answer.err


def test_the_grid_is_queued_as_experiments(workspace, faunashot, monkeypatch):
    called: list[list[str]] = []

    def run(command: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        called.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    answer = ablate(faunashot, "--queue")
    assert answer.code == 0, answer.err
    (command,) = called
    assert command[:4] == ["dvc", "exp", "run", "--queue"]
    given = dict(part.split("=") for part in command[5::2])
    seed = yaml.safe_load((workspace / "params.yaml").read_text())["seed"]
    assert given["variant"].split(",") == list(VARIANTS)
    assert given["seed"] == f"{seed},{seed + 1}"
    assert given["backbone"] == "logmel_frames"
    assert f"{2 * len(VARIANTS)} experiments queued" in answer.out
