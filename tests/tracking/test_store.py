import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import mlflow
import pytest

from faunashot.errors import TrackingError
from faunashot.tracking import store
from faunashot.tracking.address import address_of

PATIENCE_S = 120


def start_python(code: str, folder: Path, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=folder,
        env=os.environ | {"DVC_ROOT": str(folder)} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert err == ""
    return out.strip()


def test_root_is_where_dvc_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert store.root() == tmp_path.resolve()


def test_root_is_the_nearest_folder_with_a_pipeline(project: Path, monkeypatch) -> None:
    below = project / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert store.root() == project


def test_no_root_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrackingError, match=r"no dvc\.yaml in .*") as caught:
        store.root()
    assert "\n" not in str(caught.value)


def test_store_is_made_under_the_root_whatever_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, elsewhere = tmp_path / "a project, ünïcode", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    client = store.connect(root)
    experiment = client.get_experiment(store.experiment_id(client))
    run = client.create_run(experiment.experiment_id)
    client.log_text(run.info.run_id, "x", "x.txt")
    default = client.get_experiment("0").artifact_location
    assert [path.name for path in store.artifacts(root).rglob("x.txt")] == ["x.txt"]
    assert "elsewhere" not in default
    assert list(elsewhere.iterdir()) == []
    assert mlflow.get_tracking_uri() == mlflow.get_registry_uri() == address_of(root).tracking


def test_the_committed_link_leads_to_the_store(tmp_path: Path) -> None:
    repository = Path(__file__).resolve().parents[2]
    link = repository / "mlflow.db"
    assert link.is_symlink()
    assert os.readlink(link) == "mlruns/mlflow.db"
    assert (repository / "mlruns" / ".gitignore").read_text() == "*\n!.gitignore\n"


def test_variables_of_mlflow_run_are_taken_away(project: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "outer")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")
    store.connect(project)
    assert not {name for name in os.environ if name.startswith(("MLFLOW_RUN", "MLFLOW_EXPERI"))}
    assert os.environ[store.OUTER_RUN] == "outer"


def test_a_file_that_is_no_store_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_text("not a database, but long enough to be read")
    with pytest.raises(TrackingError, match=r"mlflow\.db: cannot be used") as caught:
        store.connect(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_project_that_lies_elsewhere_keeps_its_files(tmp_path: Path, how: str) -> None:
    """Moved: all that was logged is found. Copied: nothing goes into the original."""
    old, new = tmp_path / "an old place", tmp_path / "new"
    old.mkdir()
    client = store.connect(old)
    run = client.create_run(store.experiment_id(client))
    client.log_text(run.info.run_id, "kept", "x.txt")
    if how == "moved":
        old.rename(new)
    else:
        shutil.copytree(old, new)
    before = sorted(old.rglob("*")) if old.exists() else None
    client = store.connect(new)
    uri = client.get_run(run.info.run_id).info.artifact_uri
    assert uri.startswith(store.artifacts(new).as_uri())
    assert mlflow.artifacts.load_text(f"{uri}/x.txt") == "kept"
    more = client.create_run(store.experiment_id(client))
    client.log_text(more.info.run_id, "more", "y.txt")
    assert len(list(new.rglob("y.txt"))) == 1
    assert (sorted(old.rglob("*")) if old.exists() else None) == before


def test_an_experiment_that_was_deleted_is_restored(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    client = store.connect(project)
    number = store.experiment_id(client)
    run = client.create_run(number)
    client.delete_experiment(number)
    client = store.connect(project)
    assert capfd.readouterr().err == (
        "faunashot: the MLflow experiment 'faunashot' had been deleted; it is restored, "
        "with its runs\n"
    )
    assert store.experiment_id(client) == number
    assert [each.info.run_id for each in client.search_runs([number])] == [run.info.run_id]
    assert client.create_run(number)
    store.connect(project)
    assert capfd.readouterr().err == ""


def test_the_lock_is_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), store.locked(tmp_path):
        raise ValueError("x")
    with store.locked(tmp_path):
        pass


def test_importing_the_package_does_not_import_mlflow() -> None:
    code = "import sys, faunashot, faunashot.tracking, faunashot.serving; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"mlflow", "tensorflow", "dvc"} & set(done.stdout.split())


def test_two_processes_make_one_store_and_one_experiment_quietly(tmp_path: Path) -> None:
    """Also without git on the path, and with every attempt to reach a network refused."""
    code = """
        import socket
        def refuse(*arguments, **options):
            raise AssertionError("a network was tried")
        socket.socket.connect = socket.create_connection = refuse
        from pathlib import Path
        from faunashot.tracking.runs import stage_run
        with stage_run("s", params={"k": 5}, inputs=[], record=Path("r.json")) as run:
            print(run.parent_id)
    """
    env = {"PATH": "/nonexistent"}
    processes = [start_python(code, tmp_path, **env, DVC_STAGE=f"s{i}") for i in range(2)]
    with contextlib.ExitStack() as stack:
        for process in processes:
            stack.callback(process.kill)
        parents = [finish(process) for process in processes]
    assert parents[0] == parents[1]
    client = store.connect(tmp_path)
    runs = client.search_runs([store.experiment_id(client)])
    assert len(runs) == 3
    assert {run.info.status for run in runs} == {"FINISHED"}
