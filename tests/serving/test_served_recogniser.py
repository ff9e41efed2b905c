"""The served model in this process."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import fake_recogniser
import pandas as pd
import pytest
from fake_recogniser import PROBABILITIES

from faunashot.serving.schema import AnswerError

GOOD, BAD = (base64.b64encode(content).decode() for content in (b"RIFF", b"MZ, a program"))
ANSWER = {"label": "dog", "probabilities": PROBABILITIES}

Predict = Callable[[list[str]], list[dict[str, object]]]


@pytest.fixture
def predict(fake_system: None, tmp_path) -> Predict:
    from faunashot.serving.model import ServedRecogniser

    (tmp_path / "model.json").write_text("{}")
    model, context = ServedRecogniser(), SimpleNamespace(artifacts={"model": tmp_path})
    model.load_context(context)
    return lambda cells: model.predict(context, pd.DataFrame({"audio": cells}))


def test_requests_do_not_wait_for_each_other(predict: Predict, monkeypatch) -> None:
    together = threading.Barrier(3, timeout=10)  # breaks where fewer come

    def recognise(self, source: bytes) -> fake_recogniser.Recognition:
        together.wait()
        return fake_recogniser.Recognition("dog", PROBABILITIES, [])

    monkeypatch.setattr(fake_recogniser.Recogniser, "recognise", recognise)
    with ThreadPoolExecutor(3) as clients:
        assert list(clients.map(predict, [[GOOD]] * 3)) == [[ANSWER]] * 3


def test_a_bad_row_has_its_error_and_the_others_their_answers(predict: Predict) -> None:
    (first, bad, last) = predict([GOOD, BAD, GOOD])
    assert first == last == ANSWER
    assert bad == {"error": "row 1: the recording cannot be decoded"}


def test_a_fault_of_ours_in_a_row_tells_nothing_of_it(predict: Predict) -> None:
    crash = base64.b64encode(b"CRASH").decode()
    assert predict([GOOD, crash])[1] == {"error": "row 1: the server failed, see its log"}


def test_where_all_rows_are_bad_the_first_is_the_error(predict: Predict) -> None:
    with pytest.raises(AnswerError, match="row 0: the recording cannot be decoded"):
        predict([BAD, BAD])
