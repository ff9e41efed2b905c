"""The served model, as MLflow keeps it: this file is copied into the logged model and run there."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from faunashot.errors import AudioError
from faunashot.serving.schema import (
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
        """Load the system's folder, once per server process."""
        from faunashot.recogniser import Recogniser

        self._recogniser = Recogniser.load(Path(context.artifacts["model"]))
        self._one_at_a_time = threading.Lock()  # the server answers in threads, a network does not

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
            where the model has one, and `windows` where they are asked for.

        Raises
        ------
        AnswerError
            A row cannot be read; the message is one line that names it.
        """
        windows = bool((params or {}).get(WINDOWS, False))
        return [
            self._answer(cell, row=row, windows=windows)
            for row, cell in enumerate(audio_column(model_input))
        ]

    def _answer(self, cell: object, *, row: int, windows: bool) -> dict[str, Any]:
        audio = decode_audio(cell, row=row)
        try:
            with self._one_at_a_time:
                recognition = self._recogniser.recognise(audio)
        except AudioError as error:
            raise AnswerError(f"row {row}: {' '.join(str(error).split())}") from error
        except Exception as error:
            _logger.exception("row %d could not be recognised", row)
            raise AnswerError.internal(f"row {row}: the server failed, see its log") from error
        return encode_answer(recognition, windows=windows)


mlflow.models.set_model(ServedRecogniser())
