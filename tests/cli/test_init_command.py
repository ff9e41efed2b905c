"""A project made for a folder of recordings: whole or not at all, and it runs."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import yaml
from pipeline_project import call
from typer.testing import CliRunner

from faunashot import __version__
from faunashot.cli import init
from faunashot.cli.main import app
from faunashot.errors import FaunashotError, ParameterError
from faunashot.params import load_params
from faunashot.pipeline import STAGES, VERSION_FILE, refuse_other_version

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two classes, of six and three recordings."""
    folder = tmp_path / "recordings"
    for label, clips in {"owl": 6, "wren": 3}.items():
        (folder / label).mkdir(parents=True)
        for number in range(clips):
            noise = np.random.default_rng(number).normal(0, 0.1, 8000)
            sf.write(folder / label / f"{number}.wav", noise, 8000)
    return folder


def refusal(*arguments: object) -> str:
    """Message of the error that the command ends with."""
    done = CliRunner().invoke(app, ["init", *map(str, arguments)])
    assert isinstance(done.exception, FaunashotError), done.output
    assert "\n" not in str(done.exception)
    return str(done.exception)


def git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", project, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def of_one_class(folder: Path) -> None:
    shutil.rmtree(folder / "wren")


def without_classes(folder: Path) -> None:
    empty(folder)
    (folder / "notes.txt").write_text("owls")


@pytest.mark.parametrize("fault", [empty, of_one_class, without_classes, shutil.rmtree])
def test_what_cannot_be_learned_from_is_refused_before_anything_is_made(
    fault, recordings, tmp_path
) -> None:
    fault(recordings)
    project = tmp_path / "project"
    assert str(recordings) in refusal(recordings, "--project", project)
    assert not project.exists()


@pytest.mark.parametrize("project", [".", "owl", "owl/project"])
def test_a_project_among_the_recordings_is_refused(project, recordings) -> None:
    before = sorted(recordings.rglob("*"))
    assert "--project" in refusal(recordings, "--project", recordings / project)
    assert sorted(recordings.rglob("*")) == before


@pytest.mark.parametrize("name", ["params.yaml", "README.md", ".dvc", VERSION_FILE])
def test_nothing_is_overwritten(name, recordings, tmp_path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / name).write_text("mine")
    assert f"has {name} already" in refusal(recordings, "--project", project)
    assert [path.name for path in project.iterdir()] == [name]
    assert (project / name).read_text() == "mine"


def test_a_failure_leaves_what_was_there(recordings, tmp_path, monkeypatch) -> None:
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "data/mine").touch()

    def fail(project: Path) -> None:
        assert (project / "dvc.yaml").exists()
        raise ParameterError("dvc init has failed")

    monkeypatch.setattr(init, "_put_under_version_control", fail)
    assert refusal(recordings, "--project", project) == "dvc init has failed"
    left = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert left == {"data/mine"}


def test_another_version_than_the_projects_is_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    refuse_other_version()
    Path(VERSION_FILE).write_text(f"{__version__}\n")
    refuse_other_version()
    Path(VERSION_FILE).write_text("0.0.9\n")
    with pytest.raises(ParameterError, match=rf"0\.0\.9.* {re.escape(__version__)} is installed"):
        refuse_other_version()


@pytest.mark.slow
def test_a_project_has_what_it_needs_and_nothing_of_the_repository(
    recordings, tmp_path, monkeypatch
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.move(recordings, project / "recordings")
    monkeypatch.chdir(project)
    done = CliRunner().invoke(app, ["init", "recordings"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "of 2 classes (owl, wren). Next:" in done.output
    params = load_params()
    assert (params.corpus, params.root, params.protocol.k) == ("folder", Path("recordings"), 2)
    assert "# what is scored" in Path("params.yaml").read_text()  # comments stay
    stages = yaml.safe_load(Path("dvc.yaml").read_text())["stages"]
    assert list(stages)[-len(STAGES) :] == list(STAGES)
    for name, stage in stages.items():
        assert stage["cmd"] == f"python -m faunashot.pipeline {name}"
        assert stage["deps"][0] == VERSION_FILE
        assert not [dep for dep in stage["deps"] if dep.startswith(("src", "stages"))]
    reading = {name for name, stage in stages.items() if "backbones" in stage["deps"]}
    assert reading == {"embed", "train", "report"}  # a declared one that changes is looked at
    assert [file.name for file in Path("backbones").iterdir()] == ["README.md"]
    assert "src" not in Path("MLproject").read_text()
    assert git(project, "log", "--format=%s") == "A project of faunashot\n"
    assert git(project, "status", "--porcelain", "dvc.yaml", ".dvc") == ""
    assert {"mlflow.db", "mlruns/.gitignore", ".dvc/config"} <= {*git(project, "ls-files").split()}
    checks = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)["checks"]
    assert {"corpus folder", "git"} <= {check["what"] for check in checks if not check["mend"]}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_wheel_holds_the_files_of_the_repository(tmp_path) -> None:
    left_out = shutil.ignore_patterns(".venv", ".git", ".dvc*", "mlruns", "data", "build")
    copy = shutil.copytree(ROOT, tmp_path / "copy", symlinks=True, ignore=left_out)
    shutil.copy(ROOT / ".dvcignore", copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", tmp_path, copy], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        for link in (ROOT / "src/faunashot/project").iterdir():
            assert packed.read(f"faunashot/project/{link.name}") == link.read_bytes()
    # beside a model's requirements, as in README's image, pip finds it
    (tmp_path / "requirements.txt").write_text(f"faunashot=={__version__}\n--find-links .\n")
    install = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index"]
    install += ["--ignore-installed", "-r", str(tmp_path / "requirements.txt")]
    done = subprocess.run(install, capture_output=True, text=True)
    assert f"Would install faunashot-{__version__}" in done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(900)
def test_the_commands_of_its_readme_run(shared, tmp_path) -> None:
    corpus, folder = shared / "data/esc50-mini", tmp_path / "recordings"
    (table,) = (corpus / "meta").glob("*.csv")
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["category"] in ("dog", "rooster", "cow", "frog", "cat", "hen"):
                (folder / row["category"]).mkdir(parents=True, exist_ok=True)
                shutil.copy(corpus / "audio" / row["filename"], folder / row["category"])
    project = tmp_path / "project"

    def run(*command: str) -> None:
        done = call(project, *command)
        assert done.returncode == 0, done.stdout + done.stderr

    project.mkdir()
    run("faunashot", "init", str(folder))  # no --project: it is run there
    readme = (project / "README.md").read_text("utf-8")
    block = readme.split("```")[1]
    commands = [line.partition("#")[0].split() for line in block.strip().splitlines()]
    assert len(commands) == 3
    recording = next((folder / "frog").iterdir())
    figures = []
    for command in commands:
        run(*[str(recording) if word == "RECORDING" else word for word in command])
        figures.append(json.loads((project / "metrics.json").read_text())["k"])
    assert figures == [5, 1, 1]
    assert (project / "reports/report.html").is_file()


def test_the_template_is_no_pipeline_of_this_repository() -> None:
    """DVC takes every dvc.yaml in it for one."""
    assert [*(ROOT / "src").rglob("dvc.yaml")] == []
