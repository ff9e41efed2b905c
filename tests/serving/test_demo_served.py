"""The embedded default, from its tracked files to answers over HTTP, with real weights."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import requests
from pipeline_project import call, commit, copy_tracked, flat, metrics_of, runs_of
from server import served

from faunashot.recogniser import Recogniser

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_tracked(tmp_path_factory.mktemp("demo"))
    commit(folder)
    for command in (["dvc", "pull", "data.dvc"], ["dvc", "repro"]):
        done = call(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def url(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(project, tmp_path_factory.mktemp("log") / "log") as address:
        yield address


def test_figures_agree_to_the_last_digit_wherever_they_stand(project: Path) -> None:
    written = flat(json.loads((project / "metrics.json").read_text()))
    shown = json.loads(call(project, "faunashot", "show", "--json").stdout)
    assert flat(shown["metrics"]) == written
    by_dvc = json.loads(call(project, "dvc", "metrics", "show", "--json").stdout)
    assert flat(by_dvc[""]["data"]["metrics.json"]["data"]) == written
    parent = next(r for r in runs_of(project) if "mlflow.parentRunId" not in r)
    assert metrics_of(project, parent["run_id"]) == pytest.approx(written, abs=0)
    assert "up to date" in call(project, "dvc", "status").stdout


def test_the_demo_is_neither_trivial_nor_hopeless(project: Path) -> None:
    curve = pd.read_csv(project / "curve.csv").set_index("k")["macro_f1"]
    assert curve.index.tolist() == [1, 2, 5, 10]
    assert curve.is_monotonic_increasing
    assert 0.25 < curve[1] < 0.85
    assert curve[1] + 0.1 < curve[10] < 0.95


def test_a_clip_of_every_class_is_answered_as_in_process(project: Path, url: str) -> None:
    recogniser = Recogniser.load(project / "models" / "birdnet-rectified")
    clips = pd.read_csv(project / "data" / "demo" / "clips.csv")
    one_each = clips[clips["label"] != "background"].groupby("label").first()
    assert len(one_each) == 10
    right = 0
    for label, row in one_each.iterrows():
        audio = (project / "data" / "demo" / "audio" / row["filename"]).read_bytes()
        body = {"inputs": [base64.b64encode(audio).decode()], "params": {"windows": True}}
        answer = requests.post(url, json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        (heard,) = answer.json()["predictions"]
        here = recogniser.recognise(audio)
        assert heard["label"] == here.label
        assert heard["probabilities"] == pytest.approx(here.probabilities, abs=1e-6)
        assert sum(heard["probabilities"].values()) == pytest.approx(1)
        for window, (start_s, end_s, scores) in zip(heard["windows"], here.windows, strict=True):
            assert (window["start_s"], window["end_s"]) == (start_s, end_s)
            assert window["probabilities"] == pytest.approx(scores, abs=1e-6)
        right += heard["label"] == label
    assert right >= 5  # the model has heard some of these clips
