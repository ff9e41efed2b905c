"""What the page for labelling asks of the program behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from faunashot.labelling.corpus import LabelledCorpus
from faunashot.labelling.items import Item
from faunashot.labelling.server import application
from faunashot.labelling.session import Session


@pytest.fixture
def session(recording: Path, tmp_path: Path) -> Session:
    items = [Item(recording, at, at + 2, "frog") for at in (2, 4)]
    return Session(items, LabelledCorpus(tmp_path / "frogs"), classes=["frog", "noise"])


@pytest.fixture
def client(session: Session) -> TestClient:
    return TestClient(application(session), base_url="http://localhost")


def test_a_person_labels_all_that_is_asked(client: TestClient, session: Session) -> None:
    assert "Label recordings" in client.get("/").text
    state = client.get("/state").json()
    assert state["item"]["suggestion"] == "frog"
    assert client.get("/items/0.png").content.startswith(b"\x89PNG")
    assert client.get("/items/0.wav").content.startswith(b"RIFF")
    state = client.post("/answer", json={"number": 0, "answer": "label", "label": "owl"}).json()
    assert state["counts"] == {"owl": 1}
    assert state["classes"] == ["frog", "noise", "owl"]
    state = client.post("/answer", json={"number": 1, "answer": "uncertain"}).json()
    assert (state["item"], state["left"], state["uncertain"]) == (None, 0, 1)
    assert client.post("/undo", json={}).json()["item"]["number"] == 1
    assert session.corpus.counts == {"owl": 1}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "x",
        {"number": 0},
        {"number": "0", "answer": "skip"},
        {"number": 5, "answer": "skip"},
        {"number": -1, "answer": "skip"},
        {"number": 0, "answer": "label"},
        {"number": 0, "answer": "label", "label": 3},
        {"number": 0, "answer": "label", "label": ""},
        {"number": 0, "answer": "label", "label": "a;b"},
        {"number": 0, "answer": "remove"},
    ],
)
def test_a_bad_answer_is_one_line(client: TestClient, session: Session, body: object) -> None:
    answered = client.post("/answer", json=body)
    assert answered.status_code == 400
    assert len(answered.json()["error"].splitlines()) == 1
    assert session.corpus.counts == {}
    assert session.state()["item"]["number"] == 0


def test_another_site_can_neither_answer_nor_ask(client: TestClient, session: Session) -> None:
    form = {"content-type": "text/plain"}
    text = '{"number": 0, "answer": "uncertain"}'
    assert client.post("/answer", content=text, headers=form).status_code == 400
    assert client.post("/undo", content=text, headers=form).status_code == 400
    assert client.get("/state", headers={"host": "evil.example"}).status_code == 400
    assert session.state()["done"] == 0


def test_too_long_an_answer_is_refused(client: TestClient) -> None:
    body = {"number": 0, "answer": "label", "label": "a" * 20_000}
    assert client.post("/answer", json=body).status_code == 400


def test_only_items_are_served(client: TestClient) -> None:
    assert client.get("/items/7.wav").status_code == 400
    assert client.get("/items/..%2f..%2fetc%2fpasswd.wav").status_code == 404
