"""What a served model takes and answers, and the errors that it answers with."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import (
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    RESOURCE_EXHAUSTED,
)
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import Array, Map, Object, Property

if TYPE_CHECKING:
    from faunashot.recognition import Recognition

AUDIO = "audio"
ERROR = "error"
NOTES = "notes"
WINDOWS = "windows"
EMBEDDING = "embedding"
TOP_K = "top_k"
THRESHOLD = "threshold"
UNKNOWN_SCORE = "unknown_score"
MAX_BYTES = 50_000_000
"""Of a recording, where no limit is given."""


class AnswerError(MlflowException):
    """An error whose one line is all that the client gets.

    The scoring server puts the whole request before the message of what a model raises; here
    the line is kept apart from `message`, and no stack trace goes with it.
    """

    def __init__(self, line: str, error_code: int = INVALID_PARAMETER_VALUE) -> None:
        super().__init__(line, error_code=error_code)
        self.line = line

    def serialize_as_json(self) -> str:
        """Body of the HTTP answer."""
        return json.dumps({"error_code": self.error_code, "message": self.line})

    @classmethod
    def internal(cls, line: str) -> AnswerError:
        """Build the answer for a fault that is ours (HTTP 500)."""
        return cls(line, INTERNAL_ERROR)

    @classmethod
    def busy(cls, waiting: int) -> AnswerError:
        """Build the answer of a server that has too much to do (HTTP 429)."""
        line = f"busy: {waiting} recordings wait already; send it again in a second"
        return cls(line, RESOURCE_EXHAUSTED)


def signature() -> ModelSignature:
    """Signature of the served model: one string column `audio`, and the parameters.

    `audio` is declared optional because MLflow else answers for a request that lacks it, with
    the request in the message; `audio_column` says it in a line. Parameters that are not declared
    never come here: MLflow drops them, with a line in the server's log.
    """
    probabilities = Map(DataType.double)
    window = Object(
        [
            Property("start_s", DataType.double),
            Property("end_s", DataType.double),
            Property("probabilities", probabilities),
        ]
    )
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, AUDIO, required=False)]),
        outputs=Schema(
            [
                ColSpec(DataType.string, "label", required=False),
                ColSpec(probabilities, "probabilities", required=False),
                ColSpec(DataType.double, UNKNOWN_SCORE, required=False),
                ColSpec(Array(window), WINDOWS, required=False),
                ColSpec(Array(DataType.double), EMBEDDING, required=False),
                ColSpec(Array(DataType.string), NOTES, required=False),
                ColSpec(DataType.string, ERROR, required=False),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec(WINDOWS, DataType.boolean, False),
                ParamSpec(EMBEDDING, DataType.boolean, False),
                ParamSpec(TOP_K, DataType.long, None),
                ParamSpec(THRESHOLD, DataType.double, None),
            ]
        ),
    )


def input_example(audio: bytes) -> tuple[pd.DataFrame, dict[str, bool]]:
    """Request that a client may send: a recording's bytes, and the parameters."""
    text = base64.b64encode(audio).decode("ascii")
    return pd.DataFrame({AUDIO: [text]}), {WINDOWS: False}


def audio_column(table: pd.DataFrame, *, most: int | None = None) -> list[object]:
    """Cells of the column `audio`.

    Raises
    ------
    AnswerError
        There is no such column, no row, or there are more than `most`.
    """
    if AUDIO not in table.columns:  # as for a list in Python, whose column has no name
        raise AnswerError(
            f"the input has no column {AUDIO!r}: send one string column {AUDIO!r} that holds the "
            "base64 text of an audio file in each row; in Python, faunashot.load_model gives a "
            "model that takes paths, bytes and samples"
        )
    if table.empty:
        raise AnswerError(f"the column {AUDIO!r} has no rows")
    if most is not None and len(table) > most:
        raise AnswerError(f"{len(table)} rows: send at most {most} at a time")
    return list(table[AUDIO])


def decode_audio(cell: object, *, row: int, most: int | None = None) -> bytes:
    """Bytes of the audio file that a cell holds as base64 text; line breaks are allowed.

    A path or URL is never opened: the server would read its own disk or network for a stranger.

    Parameters
    ----------
    cell : object
    row : int
        Its number, for messages.
    most : int, optional
        Bytes that the file may have; what is more is not decoded. `MAX_BYTES` if not given.

    Raises
    ------
    AnswerError
        The cell is empty, too large or not base64.
    """
    most = MAX_BYTES if most is None else most
    too_large = AnswerError(f"row {row}: {AUDIO} is larger than {most / 1e6:g} MB")
    if not isinstance(cell, str) or not cell.strip():
        raise AnswerError(f"row {row}: {AUDIO} is empty: send an audio file's bytes as base64")
    if len(cell) > 2 * (most + 2):
        raise too_large
    text = "".join(cell.split())
    if len(text) * 3 // 4 > most + 2:
        raise too_large
    try:
        audio = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise AnswerError(
            f"row {row}: {AUDIO} is not base64: send an audio file's bytes as base64, "
            "paths and URLs are not opened"
        ) from None
    if len(audio) > most:
        raise too_large
    return audio


def encode_answer(
    recognition: Recognition, *, windows: bool, top_k: int | None = None
) -> dict[str, Any]:
    """Answer for one row, of plain strings, floats, lists and mappings.

    `unknown_score` is there where the model has one, `notes` where something is to be said of the
    recording, `embedding` where the recognition has it.

    Parameters
    ----------
    recognition : Recognition
    windows : bool
        Whether each window is in it.
    top_k : int, optional
        How many classes are in it, the most probable first; all, in their order, if not given.
    """
    answer: dict[str, Any] = {
        "label": recognition.label,
        "probabilities": _floats(recognition.probabilities, top_k),
    }
    if recognition.unknown_score is not None:
        answer[UNKNOWN_SCORE] = float(recognition.unknown_score)
    if recognition.notes:
        answer[NOTES] = list(recognition.notes)
    if windows:
        answer[WINDOWS] = [
            {
                "start_s": float(start_s),
                "end_s": float(end_s),
                "probabilities": _floats(probabilities, top_k),
            }
            for start_s, end_s, probabilities in recognition.windows
        ]
    if recognition.embedding is not None:
        answer[EMBEDDING] = recognition.embedding.astype(float).tolist()
    return answer


def _floats(probabilities: Mapping[str, float], top_k: int | None) -> dict[str, float]:
    named = list(probabilities.items())
    if top_k is not None:
        named = sorted(named, key=lambda of: -of[1])[:top_k]
    return {name: float(value) for name, value in named}
