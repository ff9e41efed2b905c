"""`mlflow models serve` of a project's champion, as a user starts it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

READY_S = 90


class Served(NamedTuple):
    """A server that answers."""

    url: str
    group: int

    def memory_mb(self) -> float:
        """Memory of the server and of all that it started."""
        asked = ["ps", "-o", "rss=", "-g", str(self.group)]
        return sum(map(int, subprocess.check_output(asked, text=True).split())) / 1024


def register(root: Path, model: Path, *, example_audio: bytes) -> None:
    """Log a system's folder to the store of a project, and make it the champion."""
    from faunashot.tracking.champions import contest
    from faunashot.tracking.models import Registration, log_and_register
    from faunashot.tracking.runs import stage_run

    with stage_run("train", params={}, inputs=[], record=root / "mlflow.json") as run:
        version = log_and_register(
            run,
            model,
            Registration(
                name="faunashot-demo",
                title=model.name,
                sentence="Tells tones apart.",
                card="# Card",
                tags={"corpus": "demo", "protocol": "few_shot", "k": 5},
                metrics={},
            ),
            requirements=["mlflow"],
            example_audio=example_audio,
        )
    assert contest(root, "faunashot-demo", version).promoted


@contextlib.contextmanager
def served(project: Path, log: Path, **extra: str) -> Iterator[str]:
    """Address that answers, served from `project` with none of our variables but `extra`."""
    with running(project, log, **extra) as server:
        yield server.url


@contextlib.contextmanager
def running(project: Path, log: Path, **extra: str) -> Iterator[Served]:
    """The same, with its processes."""
    programs = str(Path(sys.executable).parent)
    ours = ("MLFLOW_", "DVC_", "PYTHONPATH")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    # the server calls uvicorn by name
    environment |= {"PATH": os.pathsep.join([programs, os.environ["PATH"]]), **extra}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["models", "serve", "-m", "models:/faunashot-demo@champion", "-h", "127.0.0.1"]
    with log.open("w") as output:
        server = subprocess.Popen(
            [f"{programs}/mlflow", *arguments, "-p", str(port), "--env-manager", "local"],
            cwd=project,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its workers end with it
        )
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}", server, log)
            yield Served(f"http://127.0.0.1:{port}/invocations", server.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=30)


def _wait_until_ready(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            if requests.get(f"{address}/ping", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.3)
    pytest.fail(f"not ready after {READY_S} s: {log.read_text()}")
