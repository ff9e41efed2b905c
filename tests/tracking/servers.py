"""Programs that a team runs: MLflow's server, PostgreSQL, and an S3 store."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

READY_S = 90


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def start_mlflow(
    log: Path, *, port: int, backend: str, artifacts: str, **variables: str
) -> subprocess.Popen[bytes]:
    """MLflow's server, which answers."""
    programs = str(Path(sys.executable).parent)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment |= {
        "PATH": os.pathsep.join([programs, os.environ["PATH"]]),  # it calls uvicorn by name
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **variables,
    }
    arguments = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += ["--backend-store-uri", backend, "--artifacts-destination", artifacts]
    with log.open("a") as output:
        server = subprocess.Popen(
            [f"{programs}/mlflow", *arguments],
            cwd=log.parent,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its workers end with it
        )
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok:
                return server
        time.sleep(0.3)
    stop(server)
    pytest.fail(f"not ready after {READY_S} s: {log.read_text()}")


def stop(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    server.wait(timeout=30)


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """URI of a database in a new folder, served to this machine alone."""
    if not (initdb := shutil.which("initdb")):
        pytest.skip("no initdb on the path: Debian's package postgresql has it")
    programs = Path(initdb).resolve().parent
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses root
        as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
    data, port = folder / "data", free_port()
    folder.chmod(0o777)
    common = {"cwd": folder, "capture_output": True, "text": True, **as_user}
    made = subprocess.run(
        [programs / "initdb", "-D", data, "-U", "team", "--auth=trust", "-E", "UTF8"], **common
    )
    assert made.returncode == 0, made.stderr
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = [programs / "pg_ctl", "-D", data, "-w"]
    log = folder / "log"
    with log.open("w") as output:  # pg_ctl's pipes would stay open
        started = subprocess.run(
            [*control, "-o", options, "-l", "/dev/null", "start"],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            **as_user,
        )
    assert started.returncode == 0, log.read_text()
    try:
        yield f"postgresql+psycopg2://team:sesame@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, **common)


@contextlib.contextmanager
def s3(bucket: str) -> Iterator[dict[str, str]]:
    """Variables that lead to an S3 store with an empty bucket."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        variables = {
            "MLFLOW_S3_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "team",
            "AWS_SECRET_ACCESS_KEY": "sesame",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=variables["MLFLOW_S3_ENDPOINT_URL"],
            aws_access_key_id="team",
            aws_secret_access_key="sesame",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=bucket)
        yield variables
    finally:
        server.stop()
