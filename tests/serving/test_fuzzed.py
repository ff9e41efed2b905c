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
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import fake_recogniser
import pytest
import requests
from asgi import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from long_running import LONG
from server import register, running
from small_system import save_small_system

from faunashot.serving.app import application
from faunashot.serving.limits import Limits
from faunashot.serving.requirements import example_audio
from faunashot.tracking import store

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
any_request = (
    st.fixed_dictionaries({"inputs": st.lists(st.just(GOOD), max_size=2), "params": params})
    | tables
    | st.dictionaries(names | text, anything, max_size=3)
    | anything
)
bodies = any_request.map(lambda of: json.dumps(of).encode()) | st.binary(max_size=200)
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


def fuzz(port: int, judge: Callable[[int, bytes], None]) -> None:
    """Ask a server for `FUZZED_S`, judge its answers, and print how many it gave of each status."""
    until = time.monotonic() + float(os.environ.get("FAUNASHOT_FUZZ_S", FUZZED_S))
    statuses = Counter[int]()

    @settings(max_examples=10**9, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=bodies, kind=kinds)
    def ask(body: bytes, kind: str | None) -> None:
        if time.monotonic() > until:
            raise KeyboardInterrupt
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {} if kind is None else {"Content-Type": kind}
        connection.request("POST", "/invocations", body, headers)
        answer = connection.getresponse()
        statuses[answer.status] += 1
        judge(answer.status, answer.read())
        connection.close()

    with pytest.raises(KeyboardInterrupt):
        ask()
    print(f"{statuses.total()} requests: {dict(sorted(statuses.items()))}")
    assert statuses.total() > 100


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
        fuzz(int(server.stdout.readline().rpartition(":")[2]), check)
        assert server.poll() is None
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=30)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose champion is the small system."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "mlflow.db").symlink_to("mlruns/mlflow.db")
    model = tmp_path / "models" / "small"
    save_small_system(model)
    store.connect(tmp_path)
    register(tmp_path, model, example_audio=example_audio())
    yield tmp_path
    store.mlflow.set_tracking_uri(None)
    store.mlflow.set_registry_uri(None)


@LONG
@pytest.mark.slow
@pytest.mark.timeout(FUZZED_S + 200)
def test_two_servers_of_mlflow_on_one_registry_live_through_them(registry: Path) -> None:
    faults = Counter[str]()

    def judge(status: int, content: bytes) -> None:
        if status >= 500:
            faults[content.decode(errors="replace")] += 1

    with (
        running(registry, registry / "first.log") as first,
        running(registry, registry / "second.log") as second,
    ):
        before_mb = first.memory_mb()
        fuzz(urlsplit(first.url).port or 0, judge)
        print(f"{before_mb:.0f} MB before, {first.memory_mb():.0f} MB after; 5xx: {faults}")
        answers = [
            requests.post(server.url, json={"inputs": [GOOD]}, timeout=30)
            for server in (first, second)
        ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert not [text for text in faults if "the server failed" in text or "faunashot" in text]
