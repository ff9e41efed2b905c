"""``faunashot serve``, as a user starts it, and the clients that a server meets."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile as sf

sys.path.append(str(Path(__file__).parents[1] / "serving"))
from small_system import save_small_system, small_system, tone

RUN = [sys.executable, "-c", "from faunashot.cli.main import main; main()"]
READY_S = 120


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    save_small_system(folder)
    return folder


@contextlib.contextmanager
def served(model: Path, log: Path, *more: str) -> Iterator[str]:
    command = [*RUN, "serve", "--model", str(model), "--port", "0", *more]
    with log.open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert "http://127.0.0.1:" in line, log.read_text()
        yield line.split()[-1]
        assert server.poll() is None, log.read_text()
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=30) == 0, log.read_text()
        assert "Traceback" not in log.read_text()


def post(url: str, *recordings: bytes, **params: object) -> requests.Response:
    inputs = [base64.b64encode(recording).decode() for recording in recordings]
    body = {"inputs": inputs, "params": params}
    return requests.post(f"{url}/invocations", json=body, timeout=60)


@pytest.mark.slow
def test_what_is_served_is_what_the_model_says_whatever_clients_do(
    model: Path, tmp_path: Path
) -> None:
    recogniser = small_system()
    with served(model, tmp_path / "log", "--max-mb", "1", "--max-seconds", "60") as url:
        call = tone("frog", seconds=2)
        here = recogniser.recognise(call)
        (found,) = post(url, call, windows=True).json()["predictions"]
        assert found["label"] == here.label == "frog"
        assert found["probabilities"] == pytest.approx(here.probabilities, abs=1e-9)
        assert len(found["windows"]) == len(here.windows) > 1
        _bad_recordings(url)
        _bad_clients(url)
        assert requests.get(url, timeout=10).headers["content-type"].startswith("text/html")
        assert requests.get(f"{url}/version", timeout=10).json()["classes"] == ["frog", "wren"]
        with served(model, tmp_path / "second") as second:  # beside the first
            assert post(second, call).json()["predictions"][0]["label"] == "frog"
        assert post(url, call).json()["predictions"][0]["label"] == "frog"


def _bad_recordings(url: str) -> None:
    silence, no_numbers = io.BytesIO(), io.BytesIO()
    hour = np.zeros(3600 * 8000, np.int16)
    hour[5] = 1
    sf.write(silence, hour, 8000, format="FLAC")
    sf.write(no_numbers, np.full(8000, np.nan, np.float32), 8000, format="WAV", subtype="FLOAT")
    for recording, line in [
        (silence.getvalue(), "row 0: longer than 60 s: send parts of it"),
        (no_numbers.getvalue(), "row 0: holds 8000 samples that are NaN or infinite"),
        (b"MZ, a program", "row 0: neither libsndfile"),
        (tone("wren", seconds=33), "row 0: audio is larger than 1 MB"),
    ]:
        answer = post(url, recording)
        assert answer.status_code == 400, answer.text
        assert answer.json()["message"].startswith(line)
    answer = post(url, bytes(100_000_000))
    assert answer.status_code == 413


def _bad_clients(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    head = "POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    for sent in ["", "POST /invoc", head, head + "Content-Length: 1000\r\n\r\n{"]:
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(sent.encode())  # and goes away
    body = json.dumps({"inputs": [base64.b64encode(tone("frog")).decode()]})
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"\0\xff" * 100 + b"\r\n\r\n")
        assert b" 400 " in client.recv(100)


@pytest.mark.slow
def test_what_cannot_be_served_is_one_line(model: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _is_refused(["--model", str(model), "--port", str(port)], "address already in use")
    _is_refused(["--model", str(tmp_path / "none"), "--port", "0"], "holds no model")


def _is_refused(arguments: list[str], reason: str, folder: Path | None = None) -> None:
    done = subprocess.run(
        [*RUN, "serve", *arguments], capture_output=True, text=True, timeout=READY_S, cwd=folder
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert reason in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
