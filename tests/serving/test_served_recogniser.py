"""The served model in this process."""

from __future__ import annotations

import base64
import importlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import fake_recogniser
import pandas as pd
import pytest
from fake_recogniser import PROBABILITIES
from mlflow.pyfunc.model import PythonModelContext

from faunashot.serving.schema import AnswerError
from faunashot.serving.wanted import Wanted

GOOD, BAD = (base64.b64encode(content).decode() for content in (b"RIFF", b"MZ, a program"))
ANSWER = {"label": "dog", "probabilities": PROBABILITIES}

Predict = Callable[..., list[dict[str, object]]]


@pytest.fixture(params=["model", "model_of_0_1_0"])
def predict(request: pytest.FixtureRequest, fake_system: None, tmp_path: Path) -> Predict:
    """What a logged model is asked through, of this version and of one that was logged before."""
    return served(request.param, tmp_path)


def served(code: str, folder: Path, **config: object) -> Predict:
    name = f"faunashot.serving.{code}" if code == "model" else code
    (folder / "model.json").write_text("{}")
    model = importlib.import_module(name).ServedRecogniser()
    context = PythonModelContext({"model": str(folder)}, config)
    model.load_context(context)
    return lambda cells, **params: model.predict(context, pd.DataFrame({"audio": cells}), params)


def test_requests_do_not_wait_for_each_other(predict: Predict, monkeypatch) -> None:
    together = threading.Barrier(3, timeout=10)  # breaks where fewer come

    def recognise(self, source: bytes, **how: object) -> fake_recogniser.Recognition:
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


def test_parameters_are_followed(fake_system: None, tmp_path: Path) -> None:
    ask = served("model", tmp_path)
    (answer,) = ask([GOOD], windows=True, embedding=True, top_k=1, threshold=0.9)
    assert answer["label"] == "unknown"
    assert answer["embedding"] == [0.5, 0.25]
    assert len(answer["probabilities"]) == 1
    assert [len(window["probabilities"]) for window in answer["windows"]] == [1]
    assert ask([GOOD], top_k=None, threshold=None, windows=None) == [ANSWER]


BAD_PARAMETERS = [
    *((("top_k", value), "top_k: needs a whole number from 1 on") for value in [0, -1, "3"]),
    *((("top_k", value), "top_k: needs a whole number from 1 on") for value in [1.5, True, [1]]),
    *((("threshold", value), "threshold: needs a number from 0 to 1") for value in [-0.1, 1.1]),
    *((("threshold", value), "threshold: needs a number") for value in [float("nan"), "a", {}]),
    *((("windows", value), "windows: needs true or false") for value in [1, "yes", "n\n" * 99]),
    (("embedding", 0), "embedding: needs true or false, got 0"),
]


@pytest.mark.parametrize(("given", "line"), BAD_PARAMETERS)
def test_a_wrong_parameter_is_one_line(given: tuple[str, object], line: str) -> None:
    with pytest.raises(AnswerError, match=f"^parameter {line}") as caught:
        Wanted.read(dict([given]))
    assert caught.value.get_http_status_code() == 400
    assert "\n" not in caught.value.line
    assert len(caught.value.line) < 150


def test_a_model_of_signal_processing_has_no_embedding(
    fake_system: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front_end = SimpleNamespace(backbone=None)
    monkeypatch.setattr(fake_recogniser.Recogniser, "extractors", (front_end,))
    with pytest.raises(AnswerError, match="parameter embedding: this model"):
        served("model", tmp_path)([GOOD], embedding=True)


def test_limits_come_with_the_model_and_are_checked(fake_system: None, tmp_path: Path) -> None:
    small = served("model", tmp_path, max_rows=2, max_bytes=10)
    assert small([GOOD, GOOD]) == [ANSWER, ANSWER]
    with pytest.raises(AnswerError, match="3 rows: send at most 2"):
        small([GOOD] * 3)
    with pytest.raises(AnswerError, match=r"row 0: audio is larger than 1e-05 MB"):
        small([base64.b64encode(b"RIFF" * 9).decode()])
    with pytest.raises(AnswerError, match=r"model_config\.max_row'; did you mean"):
        served("model", tmp_path, max_row=2)
    with pytest.raises(AnswerError, match=r"model_config\.max_rows"):
        served("model", tmp_path, max_rows=0)


def test_what_comes_while_too_many_wait_is_told_to_come_again(
    fake_system: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = served("model", tmp_path, max_waiting=2)
    assert ask([GOOD] * 3) == [ANSWER] * 3  # more than that, but alone
    begun, go_on = threading.Barrier(3, timeout=10), threading.Event()
    recognise = fake_recogniser.Recogniser.recognise

    def slowly(self, source: bytes, **how: object) -> fake_recogniser.Recognition:
        begun.wait()
        go_on.wait(10)
        return recognise(self, source)

    monkeypatch.setattr(fake_recogniser.Recogniser, "recognise", slowly)
    with ThreadPoolExecutor(2) as clients:
        answers = [clients.submit(ask, [GOOD]) for _ in range(2)]
        begun.wait()
        with pytest.raises(AnswerError, match="busy: 2 recordings wait already") as caught:
            ask([GOOD])
        assert caught.value.get_http_status_code() == 429
        go_on.set()
        assert [answer.result() for answer in answers] == [[ANSWER]] * 2
    monkeypatch.setattr(fake_recogniser.Recogniser, "recognise", recognise)
    assert ask([GOOD]) == [ANSWER]
