import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_recogniser import PROBABILITIES, Recognition
from hypothesis import given
from hypothesis import strategies as st

from faunashot.serving import schema
from faunashot.serving.schema import AnswerError


@given(st.binary(min_size=1, max_size=300))
def test_base64_is_read_with_or_without_line_breaks(audio: bytes) -> None:
    for text in (base64.b64encode(audio).decode(), base64.encodebytes(audio).decode()):
        assert schema.decode_audio(text, row=0) == audio


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        (None, "is empty"),
        (float("nan"), "is empty"),
        (7, "is empty"),
        ("not base64!", "is not base64"),
        ("UklGRg", "is not base64"),
        ("clips/dog.wav", "paths and URLs are not opened"),
        ("https://example.org/dog.wav", "paths and URLs are not opened"),
        ("file:///tmp/dog.wav", "paths and URLs are not opened"),
        ("data:audio/wav;base64,UklGRg==", "is not base64"),
        ("ünïcode", "is not base64"),
    ],
)
def test_a_bad_cell_is_one_line_that_names_its_row(cell: object, what: str) -> None:
    with pytest.raises(AnswerError, match=f"^row 3: audio {what}|row 3: .*{what}") as caught:
        schema.decode_audio(cell, row=3)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"
    assert caught.value.get_http_status_code() == 400
    assert "\n" not in str(caught.value)


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "MAX_BYTES", 1000)
    assert len(schema.decode_audio(base64.b64encode(bytes(1000)).decode(), row=0)) == 1000
    for size in (1001, 1002, 1003, 5000):
        with pytest.raises(AnswerError, match="row 0: audio is larger than"):
            schema.decode_audio(base64.b64encode(bytes(size)).decode(), row=0)


def test_a_path_is_not_opened_even_where_it_reads_as_base64(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "clip").write_bytes(b"RIFF")
    monkeypatch.chdir(tmp_path)
    assert schema.decode_audio("clip", row=0) == base64.b64decode("clip")


def test_the_column_and_a_row_have_to_be_there() -> None:
    with pytest.raises(AnswerError, match="has no column 'audio'"):
        schema.audio_column(pd.DataFrame({"sound": ["x"]}))
    with pytest.raises(AnswerError, match=r"in Python, faunashot\.load_model"):
        schema.audio_column(pd.DataFrame(["x", "y"]))
    with pytest.raises(AnswerError, match="has no rows"):
        schema.audio_column(pd.DataFrame({"audio": []}))
    with pytest.raises(AnswerError, match="3 rows: send at most 2 at a time"):
        schema.audio_column(pd.DataFrame({"audio": ["x"] * 3}), most=2)


def test_an_answer_error_keeps_its_line_whatever_the_server_does_to_its_message() -> None:
    error = AnswerError("row 0: no")
    error.message = "Failed to predict data '...'"
    body = json.loads(error.serialize_as_json())
    assert body == {"error_code": "INVALID_PARAMETER_VALUE", "message": "row 0: no"}


def test_an_answer_is_plain_json_of_full_precision() -> None:
    recognition = Recognition("dog", PROBABILITIES, [(0.0, 3.0, PROBABILITIES)])
    answer = schema.encode_answer(recognition, windows=True)
    assert json.loads(json.dumps(answer)) == {
        "label": "dog",
        "probabilities": PROBABILITIES,
        "windows": [{"start_s": 0.0, "end_s": 3.0, "probabilities": PROBABILITIES}],
    }
    assert "windows" not in schema.encode_answer(recognition, windows=False)


def test_an_unknown_recording_keeps_its_probabilities_and_has_its_score() -> None:
    recognition = Recognition("unknown", PROBABILITIES, [], unknown_score=0.25)
    answer = schema.encode_answer(recognition, windows=False)
    assert json.loads(json.dumps(answer)) == {
        "label": "unknown",
        "probabilities": PROBABILITIES,
        "unknown_score": 0.25,
    }


def test_an_answer_says_what_of_the_recording_is_missing() -> None:
    recognition = Recognition("dog", PROBABILITIES, [], notes=("cut off: 2 % of it",))
    assert schema.encode_answer(recognition, windows=False)["notes"] == ["cut off: 2 % of it"]


def test_an_answer_has_the_most_probable_classes_and_the_embedding() -> None:
    found = np.array([0.5, 0.25], np.float32)
    recognition = Recognition("dog", PROBABILITIES, [(0, 3, PROBABILITIES)], embedding=found)
    answer = schema.encode_answer(recognition, windows=True, top_k=2)
    most = dict(sorted(PROBABILITIES.items(), key=lambda of: -of[1])[:2])
    assert answer["probabilities"] == answer["windows"][0]["probabilities"] == most
    assert list(answer["probabilities"].values()) == sorted(most.values(), reverse=True)
    assert json.loads(json.dumps(answer))["embedding"] == [0.5, 0.25]


def test_signature_names_the_column_and_the_parameters() -> None:
    signature = schema.signature()
    assert signature.inputs.input_names() == ["audio"]
    assert [of.name for of in signature.params.params] == [
        *("windows", "embedding", "top_k", "threshold")
    ]
    assert signature.outputs.input_names() == [
        *("label", "probabilities", "unknown_score", "windows", "embedding", "notes", "error")
    ]
    assert signature.outputs.required_input_names() == []
