"""The errors that a user meets: one line that names the file or key and what to do."""

from __future__ import annotations

import difflib
import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

DEBUG = "FAUNASHOT_DEBUG"
"""Environment variable; set to anything to see the traceback of an error."""


class FaunashotError(Exception):
    """Base of all errors raised on purpose; the command line prints its message alone."""


class ParameterError(FaunashotError, ValueError):
    """A parameter is unknown, of the wrong type or out of range."""

    @classmethod
    def unknown(cls, key: str, value: object, valid: Iterable[str]) -> ParameterError:
        """Name the key, the value that is not valid, and the nearest valid one."""
        names = sorted(set(valid))
        near = difflib.get_close_matches(str(value), names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"valid: {', '.join(names)}"
        return cls(f"{key}: unknown value {value!r}; {hint}")

    @classmethod
    def unknown_key(cls, key: str, prefix: str, valid: Iterable[str]) -> ParameterError:
        """Name a key that is not declared, and the nearest one that is (`prefix` and a name)."""
        near = difflib.get_close_matches(key, [prefix + name for name in valid], n=1)
        return cls(f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


class CorpusError(FaunashotError):
    """A corpus is missing, is not laid out as published, or has too many bad clips."""


class AudioError(FaunashotError):
    """A recording cannot be decoded or holds nothing that can be used."""


class AnnotationError(FaunashotError):
    """A file of events in recordings cannot be read, or does not say what it should."""


class WeightsError(FaunashotError):
    """A backbone's weights are neither in a cache nor reachable, or are not what they should be."""


class StoreError(FaunashotError):
    """A features store is missing, torn, or was made by other weights, parameters or data."""


class SplitError(FaunashotError):
    """A split would leak, or leaves nothing to learn from or to score."""


class TrackingError(FaunashotError):
    """MLflow's store cannot be used, or holds no such run or model."""


@contextmanager
def ends_in_one_line() -> Iterator[None]:
    """End the program with one line and exit code 1 where an error of ours or of a file is met."""
    try:
        yield
    except (FaunashotError, OSError) as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    """End the program with one line on standard error."""
    if os.environ.get(DEBUG):
        raise error
    print(f"faunashot: {line_of(error)}", file=sys.stderr)
    raise SystemExit(1)


def line_of(error: Exception) -> str:
    """What an error of ours or of a file says."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or error
    if error.errno == errno.ENOSPC:
        reason = "no disk space left; what was being written has been dropped"
    return f"{error.filename or 'input/output'}: {reason}"
