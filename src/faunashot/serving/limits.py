"""What a server takes at most, of one client and of all of them together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from faunashot import options
from faunashot.serving.schema import AnswerError


class Limits(options.Options):
    """Limits of a served model: its `model_config` in MLflow, the options of ``faunashot serve``.

    Attributes
    ----------
    max_rows : int
        Recordings of a request.
    max_bytes : int
        Of a recording's file.
    max_seconds : float
        Length of a recording.
    max_waiting : int
        Recordings that are worked on or wait, of all requests; what comes beyond is refused with
        429. A request of more is taken where there is no other.
    """

    max_rows: Annotated[int, Field(ge=1)] = 64
    max_bytes: Annotated[int, Field(ge=1)] = 50_000_000
    max_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0
    max_waiting: Annotated[int, Field(ge=1)] = 64


class Places:
    """So many recordings may be in the house at a time.

    Parameters
    ----------
    most : int
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken = 0
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Hold places for as many recordings.

        Raises
        ------
        AnswerError
            There are not so many free, and others are held (HTTP 429).
        """
        with self._lock:
            if self._taken and self._taken + count > self.most:
                raise AnswerError.busy(self._taken)
            self._taken += count
        try:
            yield
        finally:
            with self._lock:
                self._taken -= count
