"""The model behind MLflow's scoring server: base64 audio in, class probabilities out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from faunashot.errors import AudioError, ParameterError
from faunashot.serving.limits import Limits, Places
from faunashot.serving.requirements import example_audio
from faunashot.serving.schema import (
    ERROR,
    AnswerError,
    audio_column,
    decode_audio,
    encode_answer,
)
from faunashot.serving.wanted import Wanted

if TYPE_CHECKING:
    from faunashot.recogniser import Recogniser

_logger = logging.getLogger(__name__)


class ServedRecogniser(PythonModel):
    """Recogniser that takes requests side by side, each within limits."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the system's folder, once per server process."""
        from faunashot.recogniser import Recogniser

        config = getattr(context, "model_config", None) or {}
        self._start(Recogniser.load(Path(context.artifacts["model"])), _limits(config))

    @classmethod
    def of(cls, recogniser: Recogniser, limits: Limits) -> Self:
        """Serve a system that is loaded already."""
        served = cls()
        served._start(recogniser, limits)
        return served

    def _start(self, recogniser: Recogniser, limits: Limits) -> None:
        self._recogniser, self._limits = recogniser, limits
        self._places = Places(limits.max_waiting)
        recogniser.share_threads()
        recogniser.recognise(example_audio())  # loads the networks, which no client waits for then

    def predict(
        self,
        context: PythonModelContext | None,
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
            As of `faunashot.serving.wanted.Wanted`.

        Returns
        -------
        list of dict
            `label` ("unknown" where it is no class), `probabilities` by class, `unknown_score`
            where the model has one, `notes` of what of the recording cannot be heard or is not
            there, `windows` and `embedding` where they are asked for; `error` alone, one line,
            where a row cannot be read.

        Raises
        ------
        AnswerError
            A parameter is wrong, there are too many rows, or no row can be read: the message is
            the line of the first then. Or the server has too much to do (HTTP 429).
        """
        wanted = Wanted.read(params)
        if wanted.embedding and any(of.backbone is None for of in self._recogniser.extractors):
            raise AnswerError(
                "parameter embedding: this model learned from signal processing alone, and has none"
            )
        cells = audio_column(model_input, most=self._limits.max_rows)
        answers: list[dict[str, Any]] = []
        errors: list[AnswerError] = []
        with self._places.taken(len(cells)):
            for row, cell in enumerate(cells):
                try:
                    answers.append(self._answer(cell, row=row, wanted=wanted))
                except AnswerError as error:
                    errors.append(error)
                    answers.append({ERROR: error.line})
        if len(errors) == len(answers):
            raise errors[0]
        return answers

    def _answer(self, cell: object, *, row: int, wanted: Wanted) -> dict[str, Any]:
        audio = decode_audio(cell, row=row, most=self._limits.max_bytes)
        try:
            recognition = self._recogniser.recognise(
                audio,
                longest_s=self._limits.max_seconds,
                threshold=wanted.threshold,
                embedding=wanted.embedding,
            )
        except AudioError as error:
            raise AnswerError(f"row {row}: {' '.join(str(error).split())}") from error
        except Exception as error:
            _logger.exception("row %d could not be recognised", row)
            raise AnswerError.internal(f"row {row}: the server failed, see its log") from error
        return encode_answer(recognition, windows=wanted.windows, top_k=wanted.top_k)


def _limits(config: dict[str, Any]) -> Limits:
    try:
        return Limits.read(config, key="model_config")
    except ParameterError as error:
        raise AnswerError(str(error)) from error
