"""Stage ingest on its own: what it reads and what it leaves, without DVC."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import soundfile as sf
from pipeline_project import RATE, call, change, new_project, own_line, tone

from faunashot.data.ingest import MEASURED, NOISE_COLUMNS


def three(root: Path) -> None:
    """Two classes, one clip of both, one of neither, and a row that leads nowhere."""
    for number in range(3):
        sf.write(root / f"{number}.wav", tone("owl", number, seconds=0.5), RATE)
    rows = ["path,label", "0.wav,owl;frog", "1.wav,owl", "2.wav,", "gone.wav,owl"]
    (root / "labels.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    project = new_project(tmp_path_factory.mktemp("ingest") / "project", three)
    change(project, ingest__max_bad_share=0.9)
    return project


def ingest(project: Path) -> subprocess.CompletedProcess[str]:
    return call(project, sys.executable, "-m", "faunashot.pipeline", "ingest")


def test_a_corpus_is_read_from_its_folder(project):
    done = ingest(project)
    assert done.returncode == 0, done.stderr
    assert "folder: 2 clips good, 2 bad" in done.stderr
    clips = pd.read_parquet(project / "clips/folder.parquet")
    assert clips["path"].tolist() == ["0.wav", "1.wav"]
    assert clips["label"].tolist() == ["owl;frog", "owl"]
    assert not clips["multi_label"].any()
    source = pd.read_parquet(project / "clips/none.parquet")
    assert source.empty
    assert set(MEASURED) < set(source.columns)
    noise = pd.read_parquet(project / "clips/noise.parquet")
    assert list(noise.columns) == NOISE_COLUMNS
    assert noise.empty
    report = json.loads((project / "reports/ingest.json").read_text("utf-8"))
    assert list(report) == ["folder"]
    assert {b["path"]: b["reason"] for b in report["folder"]["bad"]} == {
        "2.wav": "it has no label in labels.csv",
        "gone.wav": "No such file or directory",
    }


def test_noise_of_the_corpus_is_listed(project):
    file = project / "data/animals/Training/Owl/a.wav"
    wind = project / "data/animals/Noise/Wind/w.wav"
    for at in (file, wind):
        at.parent.mkdir(parents=True)
        sf.write(at, tone("owl", 1, seconds=0.5), RATE)
    change(project, corpus="animals_sounds", root="data/animals")
    done = ingest(project)
    change(project, corpus="folder", root="data/recordings")
    assert done.returncode == 0, done.stderr
    noise = pd.read_parquet(project / "clips/noise.parquet")
    assert noise["path"].tolist() == ["Noise/Wind/w.wav"]


def test_no_clips_of_the_wanted_classes_is_one_line(project):
    change(project, corpora__folder__classes=["owll"])
    done = ingest(project)
    change(project, corpora__folder__classes="all")
    assert done.returncode == 1
    assert "corpora.folder.classes: unknown value 'owll'" in own_line(done.stderr)
