"""Class names that look like numbers, gaps or booleans are names all the way to the page."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import soundfile as sf
from pipeline_project import RATE, call, change, new_project, tone

from faunashot.pipeline import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NAMES = ["001", "002", "1e5", "NA", "None", "nan", "null", "true"]


def odd_names(root: Path) -> None:
    for at, name in enumerate(NAMES):
        (root / name).mkdir()
        for number in range(4):
            pitch = ("frog", "owl", "wren")[at % 3]
            sf.write(root / name / f"{number}.wav", tone(pitch, 10 * at + number), RATE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = new_project(tmp_path_factory.mktemp("names") / "project", odd_names)
    change(project, protocol__k=2)
    for stage in STAGES:
        done = call(project, sys.executable, "-m", "faunashot.pipeline", stage)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    return project


def column(file: Path, name: str) -> list[str]:
    with file.open(newline="", encoding="utf-8") as opened:
        return sorted({row[name] for row in csv.DictReader(opened)})


def test_tables_have_the_names_of_the_folders(project):
    for table in ("clips/folder.parquet", "clips/audited.parquet", "predictions/held_out.parquet"):
        assert sorted(set(pd.read_parquet(project / table)["label"])) == NAMES
    assert column(project / "predictions.csv", "label") == NAMES
    assert set(column(project / "predictions.csv", "predicted")) <= set(NAMES)
    assert column(project / "plots/per_class.csv", "label") == NAMES
    assert column(project / "plots/confusion.csv", "true \\ predicted") == NAMES


def test_figures_and_reports_are_by_the_names_of_the_folders(project):
    assert sorted(json.loads((project / "reports/figures.json").read_text())["per_class"]) == NAMES
    counts = json.loads((project / "reports/ingest.json").read_text())["folder"]["clips_a_class"]
    assert sorted(counts) == NAMES
