"""What `faunashot doctor` finds, and when it says that the pipeline would not run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from faunashot.cli import doctor
from faunashot.cli.main import app
from faunashot.errors import WeightsError

ROOT = Path(__file__).resolve().parents[2]
BIRDNET = "faunashot.backbones.birdnet.model.published_file"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose corpus is here, with neither a commit nor runs."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc")
    (tmp_path / "data/demo").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setattr(BIRDNET, lambda name: ROOT / "params.yaml")
    return tmp_path


def found() -> tuple[int, dict[str, dict]]:
    """The exit code, and what was found by the name of the thing."""
    done = CliRunner().invoke(app, ["doctor", "--json"])
    answer = json.loads(done.stdout)
    assert answer["runs"] == (done.exit_code == 0)
    return done.exit_code, {check["what"]: check for check in answer["checks"]}


def test_a_project_in_order_is_said_to_run(project) -> None:
    status, checks = found()
    assert status == 0, checks
    assert {"Python", "cores", "disk", "disk of the cache", "GPU", "tensorflow"} <= checks.keys()
    assert checks["corpus demo"]["found"] == str(project / "data/demo")
    assert checks["MLflow store"]["found"].endswith("made by the first run")
    assert "git" in checks["git"]["mend"]
    assert checks["DVC remote embedded"]["found"] == str(project / ".dvcstore")
    assert "pipeline runs here" in CliRunner().invoke(app, ["doctor"]).stdout


def lacks_weights(project: Path, patch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> Path:
        raise WeightsError("pip install x")

    patch.setattr(BIRDNET, refuse)


def lacks_corpus(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / "data/demo").rmdir()


def has_a_typo(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / "params.yaml").write_text("corpos: demo\n")


def has_a_torn_store(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / "mlruns").mkdir()
    (project / "mlruns/mlflow.db").write_text("torn")


def has_a_full_disk(project: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(doctor, "LEAST_DISK_GB", 1e9)


def is_no_project(project: Path, patch: pytest.MonkeyPatch) -> None:
    (project / "dvc.yaml").unlink()


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        (lacks_weights, "weights of birdnet"),
        (lacks_corpus, "corpus demo"),
        (has_a_typo, "params.yaml"),
        (has_a_torn_store, "MLflow store"),
        (has_a_full_disk, "disk"),
        (is_no_project, "project"),
    ],
)
def test_what_stops_a_run_is_named_with_what_mends_it(fault, what, project, monkeypatch) -> None:
    fault(project, monkeypatch)
    status, checks = found()
    if fault is is_no_project:
        assert "faunashot init" in checks[what]["mend"]
    assert status == 1
    assert checks[what]["needed"]
    shown = CliRunner().invoke(app, ["doctor"]).stdout
    assert f"missing: {what}: {checks[what]['mend']}" in shown


def test_passwords_are_not_shown(project, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@tracking.example:5000/x")
    (project / ".dvc/config").write_text(
        "['remote \"far\"']\n    url = https://me:secret@data.example/x\n"
    )
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert "secret" not in done.stdout
    assert "https://me:***@tracking.example:5000/x" in done.stdout
    assert "https://me:***@data.example/x" in done.stdout


def test_the_store_is_the_one_that_runs_go_to(project, monkeypatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)  # and so again at the end, as .env sets it
    (project / ".env").write_text("MLFLOW_TRACKING_URI=https://tracking.example:5000/x\n")
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert "https://tracking.example:5000/x, not asked" in done.stdout


def test_nothing_slow_is_imported(project) -> None:
    code = (
        "from faunashot.cli.doctor import _findings; from pathlib import Path; import sys, time\n"
        "list(_findings(Path.cwd()))\n"
        "print(time.process_time(), {'tensorflow', 'mlflow', 'dvc', 'sklearn'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, imported = done.stdout.split(maxsplit=1)
    assert imported.strip() == "set()"
    assert float(seconds) < 3
