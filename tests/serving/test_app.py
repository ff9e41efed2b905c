"""``faunashot serve``'s application in this process: limits, lines, the page."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading
from collections.abc import Iterator

import fake_recogniser
import pytest
from asgi import Client
from fake_recogniser import PROBABILITIES

from faunashot.serving.app import application
from faunashot.serving.limits import Limits

AUDIO = base64.b64encode(b"RIFF, and so on").decode()
LIMITS = Limits(max_rows=3, max_bytes=3000, max_waiting=4)


@pytest.fixture
def client() -> Iterator[Client]:
    app = application(fake_recogniser.Recogniser(), limits=LIMITS, name="fake", read_s=0.3)
    made = Client(app)
    yield made
    made.close()


def line_of(answer) -> str:
    """The one line of an error, which has nothing else."""
    found = answer.json()
    assert set(found) == {"error_code", "message"}, found
    assert "\n" not in found["message"]
    assert "Traceback" not in found["message"]
    assert len(found["message"]) <= 300
    return found["message"]


FORMS = {
    "inputs as a list": {"inputs": [AUDIO, AUDIO]},
    "inputs as columns": {"inputs": {"audio": [AUDIO, AUDIO]}},
    "instances": {"instances": [{"audio": AUDIO}, {"audio": AUDIO}]},
    "dataframe_split": {"dataframe_split": {"columns": ["audio"], "data": [[AUDIO], [AUDIO]]}},
    "dataframe_records": {"dataframe_records": [{"audio": AUDIO}, {"audio": AUDIO}]},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_mlflow_is_answered(client: Client, form: str) -> None:
    answer = client.post(FORMS[form] | {"params": {"top_k": 1, "embedding": True}})
    assert answer.status == 200, answer.content
    best = max(PROBABILITIES, key=lambda name: PROBABILITIES[name])
    probabilities = {best: PROBABILITIES[best]}
    one = {"label": "dog", "probabilities": probabilities, "embedding": [0.5, 0.25]}
    assert answer.json() == {"predictions": [one, one]}


def test_csv_is_answered(client: Client) -> None:
    answer = client.post(f"audio\n{AUDIO}\n".encode(), "text/csv; charset=utf-8")
    assert answer.json()["predictions"][0]["label"] == "dog"


DEEP = b'{"inputs": ' + b"[" * 100_000
BAD = {
    "not base64": ({"inputs": ["!!!"]}, "row 0: audio is not base64"),
    "a path": ({"inputs": ["/etc/passwd"]}, "row 0: audio"),
    "a URL": ({"inputs": ["https://example.org/a.wav"]}, "paths and URLs are not opened"),
    "not audio": ({"inputs": [base64.b64encode(b"MZ").decode()]}, "cannot be decoded"),
    "an empty list": ({"inputs": []}, "audio"),
    "no rows": ({"dataframe_split": {"columns": ["audio"], "data": []}}, "has no rows"),
    "10,000 rows": ({"inputs": ["a"] * 10_000}, "larger than|10000 rows: send at most 3"),
    "4 rows": ({"inputs": [AUDIO] * 4}, "4 rows: send at most 3 at a time"),
    "a large recording": ({"inputs": ["A" * 4004]}, "row 0: audio is larger than 0.003 MB"),
    "a number": ({"inputs": [3]}, "row 0|3|string"),
    "null": ({"inputs": None}, ""),
    "no JSON": (b"{", "JSON"),
    "no UTF-8": (b"\xff\xfe", "JSON|UTF-8"),
    "a list": (b"[]", "JSON"),
    "deep": (DEEP, ""),
    "a long number": (b'{"inputs": ' + b"9" * 5000 + b"}", ""),
    "two forms": ({"inputs": [AUDIO], "instances": [AUDIO]}, "exactly one of the input fields"),
    "params in a list": ({"inputs": [AUDIO], "params": [1]}, "must be a dictionary"),
    "top_k of 0": ({"inputs": [AUDIO], "params": {"top_k": 0}}, "top_k: needs a whole number"),
    "top_k in words": ({"inputs": [AUDIO], "params": {"top_k": "3"}}, "top_k"),
    "threshold of NaN": (
        f'{{"inputs": ["{AUDIO}"], "params": {{"threshold": NaN}}}}'.encode(),
        "threshold: needs a number from 0 to 1, got nan",
    ),
    "windows in words": ({"inputs": [AUDIO], "params": {"windows": "yes"}}, "windows"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_is_one_line(client: Client, case: str) -> None:
    body, line = BAD[case]
    answer = client.post(body)
    assert answer.status in (400, 413), answer.content[:500]
    assert re.search(line, line_of(answer))
    assert client.post({"inputs": [AUDIO]}).status == 200


@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "audio/wav", "application/vnd.apache.parquet", "x" * 9999]
)
def test_another_content_type_is_refused(client: Client, kind: str | None) -> None:
    answer = client.post({"inputs": [AUDIO]}, kind)
    assert answer.status == 415
    assert "send application/json or text/csv" in line_of(answer)


def test_what_is_too_large_is_refused_before_it_is_read(client: Client) -> None:
    answer = client.post({"inputs": []}, headers={"content-length": "100000000"})
    assert answer.status == 413
    assert "larger than" in line_of(answer)
    assert answer.headers["connection"] == "close"
    chunked = client.run(
        client.ask("/invocations", chunks=[bytes(50_000)] * 9, kind="application/json")
    )
    assert chunked.status == 413
    assert chunked.unread == 0  # a connection that is closed before would lose the answer


def test_a_slow_client_is_given_up_and_one_that_goes_away_is_not_answered(client: Client) -> None:
    slow = client.run(
        client.ask("/invocations", chunks=[b"{"] * 20, kind="application/json", wait_s=0.05)
    )
    assert slow.status == 408
    assert "took longer than 0.3 s" in line_of(slow)
    gone = client.run(
        client.ask("/invocations", chunks=[b"{"], kind="application/json", goes_away=True)
    )
    assert gone.status == 0
    for _ in range(5):  # no place is lost
        assert client.post({"inputs": [AUDIO]}).status == 200


def test_where_too_many_wait_the_next_is_told_so(client: Client, monkeypatch) -> None:
    go_on = threading.Event()
    recognise = fake_recogniser.Recogniser.recognise

    def slowly(self, source: bytes, **how: object) -> fake_recogniser.Recognition:
        go_on.wait(10)
        return recognise(self, source)

    monkeypatch.setattr(fake_recogniser.Recogniser, "recognise", slowly)
    body = json.dumps({"inputs": [AUDIO]}).encode()

    async def together() -> list:
        def ask():
            return client.ask("/invocations", chunks=[body], kind="application/json")

        waiting = [asyncio.create_task(ask()) for _ in range(4)]
        await asyncio.sleep(0.05)
        late = await ask()
        go_on.set()
        return [late, *await asyncio.gather(*waiting)]

    late, *others = client.run(together())
    assert late.status == 429
    assert late.headers["retry-after"] == "1"
    assert line_of(late).startswith("busy: 4 requests wait already")
    assert [other.status for other in others] == [200] * 4


def test_a_fault_of_ours_tells_nothing(client: Client) -> None:
    answer = client.post({"inputs": [base64.b64encode(b"CRASH").decode()]})
    assert answer.status == 500
    assert line_of(answer) == "row 0: the server failed, see its log"


def test_health_version_and_what_is_not_there(client: Client) -> None:
    assert client.get("/ping").status == client.get("/health").status == 200
    about = client.get("/version").json()
    assert about["model"] == "fake"
    assert about["classes"] == list(PROBABILITIES)
    assert about["limits"]["max_rows"] == 3
    assert client.get("/docs").status == 404
    assert "POST /invocations" in client.get("/nowhere").json()["message"]
    assert client.get("/invocations").status == 405


def test_the_page_loads_nothing_from_anywhere_else(client: Client) -> None:
    page = client.get("/")
    assert page.status == 200
    text = page.content.decode()
    assert "Drop a recording here" in text
    for word in ("http:", "https:", "src=", "@import", "url("):
        assert word not in text
    assert "default-src 'none'" in page.headers["content-security-policy"]
