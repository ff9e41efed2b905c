"""A server that goes away while a stage runs: the stage goes on, and one line says so."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import requests
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

from faunashot.tracking.address import Address

P = ParamSpec("P")
T = TypeVar("T")

_UNREACHABLE = (
    ConnectionError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.RetryError,
)


class Outage:
    """What to do when MLflow's server does not answer: no call is tried after the first.

    The project's own file is no server; where it cannot be used, the stage fails.

    Parameters
    ----------
    address : Address
        Of the store.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self.is_on = False

    def attempt(self, call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T | None:
        """Answer of a call, None where the server is away.

        Raises
        ------
        Exception
            What the call raises, where it is not that the server is away.
        """
        if self.is_on:
            return None
        try:
            return call(*arguments, **options)
        except Exception as error:
            if self._address.is_embedded or not is_unreachable(error):
                raise
        self.is_on = True
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"  # of what ends the run
        print(
            f"faunashot: warning: {self._address} does not answer; the stage goes on without it, "
            "and `faunashot sync` fills the gap",
            file=sys.stderr,
        )
        return None


def is_unreachable(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, is that a server does not answer."""
    return any(_says_so(each) for each in _chain(error))


def _says_so(error: BaseException) -> bool:
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code >= 500
    if isinstance(error, MlflowException):
        return str(error.error_code) == "TEMPORARILY_UNAVAILABLE"
    is_of_storage = type(error).__module__.startswith("botocore") and "Connect" in str(type(error))
    return is_of_storage or isinstance(error, (*_UNREACHABLE, OperationalError))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
