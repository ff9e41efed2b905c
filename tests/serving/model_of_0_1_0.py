"""What was copied into models that were logged before `serving.served`: it has to run still."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from faunashot.errors import AudioError
from faunashot.serving.schema import (
    ERROR,
    WINDOWS,
    AnswerError,
    audio_column,
    decode_audio,
    encode_answer,
)

_logger = logging.getLogger(__name__)


class ServedRecogniser(PythonModel):
    """Recogniser behind MLflow's scoring server: base64 audio in, class probabilities out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the system's folder, once per server process, for requests side by side."""
        from faunashot.recogniser import Recogniser

        self._recogniser = Recogniser.load(Path(context.artifacts["model"]))
        self._recogniser.share_threads()

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Recognise each row.

        Parameters
        ----------
        context : PythonModelContext
            MLflow's, not used after loading.
        model_input : DataFrame
            One string column `audio`, the base64 text of an audio file in each row.
        params : dict of str to Any, optional
            `windows`: also answer for each window of a recording.

        Returns
        -------
        list of dict
            `label` ("unknown" where it is no class), `probabilities` by class, `unknown_score`
            where the model has one, `notes` of what of the recording cannot be heard or is not
            there, and `windows` where they are asked for; `error` alone, one line, where a row
            cannot be read.

        Raises
        ------
        AnswerError
            No row can be read; the message is the line of the first.
        """
        windows = bool((params or {}).get(WINDOWS, False))
        answers: list[dict[str, Any]] = []
        errors: list[AnswerError] = []
        for row, cell in enumerate(audio_column(model_input)):
            try:
                answers.append(self._answer(cell, row=row, windows=windows))
            except AnswerError as error:
                errors.append(error)
                answers.append({ERROR: error.line})
        if len(errors) == len(answers):
            raise errors[0]
        return answers

    def _answer(self, cell: object, *, row: int, windows: bool) -> dict[str, Any]:
        audio = decode_audio(cell, row=row)
        try:
            recognition = self._recogniser.recognise(audio)
        except AudioError as error:
            raise AnswerError(f"row {row}: {' '.join(str(error).split())}") from error
        except Exception as error:
            _logger.exception("row %d could not be recognised", row)
            raise AnswerError.internal(f"row {row}: the server failed, see its log") from error
        return encode_answer(recognition, windows=windows)


mlflow.models.set_model(ServedRecogniser())
