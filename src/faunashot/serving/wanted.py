"""What a client wants of an answer: the parameters of a request, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from faunashot.serving.schema import EMBEDDING, THRESHOLD, TOP_K, WINDOWS, AnswerError


@dataclass(frozen=True)
class Wanted:
    """Parameters of a request.

    Attributes
    ----------
    windows : bool
        Also the scores of each window.
    embedding : bool
        Also the mean feature of each recording.
    top_k : int, optional
        How many classes have their probability, the most probable first; all if not given.
    threshold : float, optional
        As of `faunashot.recogniser.Recogniser.recognise`.
    """

    windows: bool = False
    embedding: bool = False
    top_k: int | None = None
    threshold: float | None = None

    @classmethod
    def read(cls, params: Mapping[str, Any] | None) -> Self:
        """Check parameters; those that are not given, or None, have their defaults.

        Raises
        ------
        AnswerError
            One is of another type or out of range. The message names it.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        top_k, threshold = given.get(TOP_K), given.get(THRESHOLD)
        if top_k is not None:
            if not isinstance(top_k, int | np.integer) or isinstance(top_k, bool) or top_k < 1:
                raise _refused(TOP_K, "a whole number from 1 on", top_k)
            top_k = int(top_k)
        if threshold is not None:
            if not isinstance(threshold, int | float | np.number) or isinstance(threshold, bool):
                raise _refused(THRESHOLD, "a number from 0 to 1", threshold)
            if math.isnan(threshold) or not 0 <= threshold <= 1:
                raise _refused(THRESHOLD, "a number from 0 to 1", threshold)
            threshold = float(threshold)
        flags = {name: given.get(name, False) for name in (WINDOWS, EMBEDDING)}
        for name, value in flags.items():
            if not isinstance(value, bool):
                raise _refused(name, "true or false", value)
        return cls(top_k=top_k, threshold=threshold, **flags)


def _refused(name: str, needs: str, value: object) -> AnswerError:
    shown = " ".join(repr(value).split())
    return AnswerError(
        f"parameter {name}: needs {needs}, got {shown if len(shown) <= 40 else shown[:40] + '...'}"
    )
