"""A team's data: pushed from one clone, pulled in another, in which nothing is left to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline_project import call, commit, copy_tracked

pytestmark = pytest.mark.slow


def run(project: Path, *command: str) -> str:
    done = call(project, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(params=["folder", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of a remote: a plain folder, or a bucket of a server that speaks S3."""
    if request.param == "folder":
        yield {"url": str(tmp_path / "remote")}
        return
    pytest.importorskip("dvc_s3", reason="dvc-s3 is not installed")
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    server = server.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"access_key_id": "testing", "secret_access_key": "testing"}
    own = {"endpointurl": f"http://{host}:{port}", "region": "us-east-1", **keys}
    boto3.client(
        "s3",
        endpoint_url=own["endpointurl"],
        region_name=own["region"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    ).create_bucket(Bucket="team")
    yield {"url": "s3://team/faunashot", **own}
    server.stop()


def shared(project: Path, remote: dict[str, str]) -> tuple[Path, Path]:
    """A project whose results are in git and in a remote of DVC, and a clone of it."""
    run(project, "dvc", "add", "data/recordings")
    run(project, "dvc", "remote", "add", "--default", "team", remote["url"])
    for name, value in remote.items():
        run(project, "dvc", "remote", "modify", "team", name, value)
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--message", "Results")
    run(project, "dvc", "push")
    git_remote = str(project.with_name("git"))
    run(project, "git", "clone", "--quiet", "--bare", ".", git_remote)
    run(project, "git", "remote", "add", "origin", git_remote)
    other = project.with_name("other")
    run(project, "git", "clone", "--quiet", git_remote, str(other))
    return project, other


def test_a_second_clone_pulls_all_and_runs_nothing(copy: Path, remote: dict[str, str]) -> None:
    first, second = shared(copy, remote)
    run(second, "dvc", "pull")
    assert (second / "predictions.csv").read_bytes() == (first / "predictions.csv").read_bytes()
    assert "Data and pipelines are up to date." in run(second, "dvc", "repro")


def test_an_experiment_goes_from_clone_to_clone(copy: Path, tmp_path: Path) -> None:
    first, second = shared(copy, {"url": str(tmp_path / "remote")})
    run(first, "dvc", "exp", "run", "-n", "two", "-S", "protocol.k=2")
    run(first, "dvc", "exp", "push", "origin", "two")
    run(second, "dvc", "exp", "pull", "origin", "two")
    run(second, "dvc", "exp", "apply", "two")
    assert "k: 2" in (second / "params.yaml").read_text()
    assert (second / "predictions.csv").read_bytes() == (first / "predictions.csv").read_bytes()


def test_the_embedded_corpus_comes_with_the_repository_whatever_the_remote(tmp_path: Path) -> None:
    project = copy_tracked(tmp_path / "clone")
    commit(project)
    run(project, "dvc", "remote", "add", "--default", "team", str(tmp_path / "empty"))
    run(project, "dvc", "pull", "data.dvc")
    assert len(list((project / "data" / "demo" / "audio").iterdir())) > 100
