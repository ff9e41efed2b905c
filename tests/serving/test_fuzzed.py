"""Requests of any kind, drawn by hypothesis: never an answer of 5xx, and always one line."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fake_recogniser
import pytest
from asgi import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from long_running import LONG
from small_system import save_small_system

from faunashot.serving.app import application
from faunashot.serving.limits import Limits
from faunashot.serving.requirements import example_audio

FUZZED_S = 300
"""How long the server is asked with FAUNASHOT_LONG=1."""

GOOD = base64.b64encode(example_audio()).decode()

text = st.text(max_size=20)
numbers = st.integers() | st.floats() | st.integers(min_value=10**300, max_value=10**310)
cells = (
    st.sampled_from([GOOD, "", "UklGRg==", "/etc/passwd", "http://localhost/a.wav", "!!!"])
    | st.binary(max_size=60).map(lambda of: base64.b64encode(of).decode())
    | text
    | numbers
    | st.none()
    | st.booleans()
)
anything = st.recursive(
    cells,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["audio", "columns", "data", "b64"]) | text, inner)
    ),
    max_leaves=12,
)
names = st.sampled_from(
    ["inputs", "instances", "dataframe_split", "dataframe_records", "params", "messages", "audio"]
)
tables = st.fixed_dictionaries(
    {
        "dataframe_split": st.fixed_dictionaries(
            {"columns": st.lists(st.just("audio") | anything, max_size=2), "data": anything},
            optional={"index": anything},
        )
    }
)
params = st.dictionaries(
    st.sampled_from(["top_k", "threshold", "windows", "embedding"]) | text, anything, max_size=4
)
requests = (
    st.fixed_dictionaries({"inputs": st.lists(st.just(GOOD), max_size=2), "params": params})
    | tables
    | st.dictionaries(names | text, anything, max_size=3)
    | anything
)
bodies = requests.map(lambda of: json.dumps(of).encode()) | st.binary(max_size=200)
kinds = st.sampled_from(
    ["application/json", "application/json; charset=utf-8", "text/csv"]
) | st.one_of(
    st.none(),
    st.sampled_from(["application/json; charset=latin-1", "application/json; a=b", "text/html"]),
    st.from_regex(r"\A[!-~]{1,30}\Z"),
)


def check(status: int, content: bytes) -> None:
    """An answer or one line, and no fault of the server."""
    assert status < 500, content[:500]
    found = json.loads(content)
    if status == 200:
        assert found["predictions"]
        return
    assert "\n" not in found["message"]
    assert not re.search(r"Traceback|File \"|site-packages", found["message"])


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    made = Client(application(fake_recogniser.Recogniser(), limits=Limits(max_rows=8)))
    yield made
    made.close()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=bodies, kind=kinds)
def test_no_request_is_answered_with_a_fault_of_the_server(
    client: Client, body: bytes, kind: str | None
) -> None:
    answer = client.post(body, kind)
    check(answer.status, answer.content)


@LONG
@pytest.mark.slow
@pytest.mark.timeout(FUZZED_S + 200)
def test_the_server_lives_through_minutes_of_them(tmp_path: Path) -> None:
    save_small_system(tmp_path / "model")
    command = [sys.executable, "-c", "from faunashot.cli.main import main; main()", "serve"]
    command += ["--model", str(tmp_path / "model"), "--port", "0"]
    log = tmp_path / "log"
    with log.open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().rpartition(":")[2])
        until = time.monotonic() + float(os.environ.get("FAUNASHOT_FUZZ_S", FUZZED_S))
        asked = 0

        @settings(max_examples=10**9, deadline=None, suppress_health_check=list(HealthCheck))
        @given(body=bodies, kind=kinds)
        def ask(body: bytes, kind: str | None) -> None:
            nonlocal asked
            if time.monotonic() > until:
                raise KeyboardInterrupt
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {} if kind is None else {"Content-Type": kind}
            connection.request("POST", "/invocations", body, headers)
            answer = connection.getresponse()
            check(answer.status, answer.read())
            connection.close()
            asked += 1

        with pytest.raises(KeyboardInterrupt):
            ask()
        assert server.poll() is None
        assert asked > 100
        print(f"{asked} requests")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)
