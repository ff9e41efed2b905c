"""The errors that a user meets: one line that names the file or key and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


class CorpusError(FaunashotError):
    """A corpus is missing, is not laid out as published, or has too many bad clips."""


class AudioError(FaunashotError):
    """A recording cannot be decoded or holds nothing that can be used."""


class WeightsError(FaunashotError):
    """A backbone's weights are neither in a cache nor reachable, or are not what they should be."""


class StoreError(FaunashotError):
    """A features store is missing, torn, or was made by other weights, parameters or data."""


class SplitError(FaunashotError):
    """A split would leak, or leaves nothing to learn from or to score."""


class TrackingError(FaunashotError):
    """MLflow's store cannot be used, or holds no such run or model."""
