"""A store that several people share: named by the environment, and not always there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from servers import free_port, postgres, s3, start_mlflow, stop

from faunashot.errors import TrackingError
from faunashot.tracking import store
from faunashot.tracking.address import address_of, embedded, without_password
from faunashot.tracking.runs import stage_run

STAGE = """
    from pathlib import Path
    import time
    from faunashot.tracking.runs import stage_run
    for stage in ("train", "evaluate"):
        with stage_run(stage, params={"corpus": "demo"}, inputs=[], record=Path("r.json")) as run:
            run.metrics({"macro_f1": 0.5})
            run.text("a,b", "table.csv")
            print(run.parent_id, run.run_id)
"""


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a store, whose environment is put back."""
    kept = dict(os.environ)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    os.environ.clear()
    os.environ.update(kept)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    running = start_mlflow(
        folder / "log",
        port=port,
        backend=f"sqlite:///{folder}/mlflow.db",
        artifacts=str(folder / "artifacts"),
    )
    yield f"http://127.0.0.1:{port}"
    stop(running)


def person(project: Path, **variables: str) -> subprocess.Popen[str]:
    project.mkdir(exist_ok=True)
    (project / "dvc.yaml").write_text("stages: {}\n")
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STAGE)],
        cwd=project,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> list[list[str]]:
    out, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (0, ""), err
    return [line.split() for line in out.splitlines()]


def test_the_environment_wins_over_the_file_and_that_over_the_own_store(
    somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert address_of(somewhere).tracking == embedded(somewhere)
    lines = ["MLFLOW_TRACKING_URI=http://file:1", "MLFLOW_EXPERIMENT_NAME=owls"]
    (somewhere / ".env").write_text("\n".join(lines) + "\n")
    found = address_of(somewhere)
    assert (found.tracking, found.registry, found.experiment) == (
        "http://file:1",
        "http://file:1",
        "owls",
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://environment:1")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://models:1")
    found = address_of(somewhere)
    assert (found.tracking, found.registry, found.experiment) == (
        "http://environment:1",
        "http://models:1",
        "owls",
    )


def test_the_own_file_by_its_link_is_the_own_store(
    somewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mlflow run` names it so to the stages."""
    (somewhere / "mlflow.db").symlink_to("mlruns/mlflow.db")
    for uri in ("sqlite:///mlflow.db", f"sqlite:///{somewhere}/mlflow.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert address_of(somewhere).is_embedded
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert not address_of(somewhere).is_embedded
    assert address_of(somewhere).tracking == f"sqlite:///{somewhere}/other.db"


def test_no_password_is_shown(somewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"http://me:se%20same@127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"http://127\.0\.0\.1") as caught:
        store.connect(somewhere)
    assert "same" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert without_password("postgresql+psycopg2://a:b@c@host/x: no") == (
        "postgresql+psycopg2://host/x: no"
    )


def test_runs_go_to_the_server_and_leave_the_environment_alone(
    somewhere: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "owls")
    (somewhere / ".env").write_text(f"MLFLOW_TRACKING_URI={server}\n")
    with stage_run("train", params={"corpus": "demo"}, inputs=[], record=Path("r.json")) as run:
        run.text("a", "a.txt")
    assert os.environ["MLFLOW_TRACKING_URI"] == server
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("owls")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert client.get_run(run.run_id).info.experiment_id == experiment.experiment_id
    assert mlflow.artifacts.load_text(f"runs:/{run.run_id}/a.txt") == "a"
    assert not list(somewhere.rglob("*.db"))


def test_two_people_at_once_do_not_touch_each_other(tmp_path: Path, server: str) -> None:
    """Of the same parameters, and the same name for DVC."""
    variables = {"MLFLOW_TRACKING_URI": server, "MLFLOW_EXPERIMENT_NAME": "both"}
    people = [person(tmp_path / name, **variables) for name in "ab"]
    with contextlib.ExitStack() as stack:
        for each in people:
            stack.callback(each.kill)
        ids = [said(each) for each in people]
    runs = MlflowClient(server).search_runs(
        [MlflowClient(server).get_experiment_by_name("both").experiment_id]
    )
    assert {run.info.run_id for run in runs} == {each for of in ids for row in of for each in row}
    assert len(runs) == 6
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_run_outlives_its_server(
    somewhere: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder, port = tmp_path_factory.mktemp("gone"), free_port()
    settings = {"port": port, "backend": f"sqlite:///{folder}/m.db", "artifacts": str(folder / "a")}
    running = start_mlflow(folder / "log", **settings)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:sesame@127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    params = {"corpus": "demo"}
    try:
        with stage_run("train", params=params, inputs=[], record=Path("train.json")) as run:
            run.metrics({"before": 1})
            stop(running)
            for step in range(3):
                run.metrics({"loss": 1.0}, step=step)
            run.text("x", "x.txt")
            run.tag("a", "b")
        with stage_run("evaluate", params=params, inputs=[], record=Path("eval.json")) as second:
            second.parent_metrics({"macro_f1": 0.5})
    finally:
        stop(running)
    assert mlflow.active_run() is None
    out, err = capfd.readouterr()
    assert out == ""
    first, other = err.splitlines()
    assert first == other
    assert first == (
        f"faunashot: warning: http://127.0.0.1:{port} does not answer; the stage goes on "
        "without it, and `faunashot sync` fills the gap"
    )
    for name in ("train", "eval"):
        assert '"run_id": ""' in Path(f"{name}.json").read_text()


def test_what_a_server_refuses_still_ends_the_stage(
    somewhere: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with (
        pytest.raises(TrackingError, match=r"MlflowException"),
        stage_run("train", params={"a": 1}, inputs=[], record=Path("r.json")) as run,
    ):
        run.text("x", "../outside.txt")
    assert MlflowClient(server).get_run(run.run_id).info.status == "FAILED"


@pytest.mark.slow
def test_two_people_on_postgresql_and_s3(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2")
    database, log = tmp_path / "database", tmp_path / "log"
    database.mkdir()
    for folder in (*tmp_path.parents, tmp_path):
        if folder.stat().st_uid == os.geteuid() and "pytest" in str(folder):
            folder.chmod(0o755)  # the database's user has to reach it
    port = free_port()
    with postgres(database) as backend, s3("team") as variables:
        running = start_mlflow(
            log, port=port, backend=backend, artifacts="s3://team/runs", **variables
        )
        try:
            address = f"http://127.0.0.1:{port}"
            people = [person(tmp_path / n, MLFLOW_TRACKING_URI=address) for n in "ab"]
            ids = [said(each) for each in people]
            client = MlflowClient(address)
            for of in ids:
                for _, run_id in of:
                    assert client.get_run(run_id).info.status == "FINISHED"
                    assert client.list_artifacts(run_id)[0].path == "table.csv"
            assert len({row[0] for of in ids for row in of}) == 2
        finally:
            stop(running)
