"""The table of events in recordings: what a model detected, or what a person marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from faunashot.errors import ParameterError

REQUIRED = {"file": "str", "start_s": "float64", "end_s": "float64", "label": "str"}
"""Columns that an event has always: its recording, where it begins and ends in it, and what it is.
The file is a path as it was given, with ``/`` between folders."""

OPTIONAL = {"score": "float64", "low_hz": "float64", "high_hz": "float64", "model": "str"}
"""Columns that are empty (NaN, or no text) where nothing is known: the probability of the label,
the band of frequencies, and who says so, a model's name or a person's."""

COLUMNS = REQUIRED | OPTIONAL
"""All columns with their types, in their order; a table may have further ones behind them."""


def as_table(events: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A table of events with all `COLUMNS`, each of its type; further columns stay.

    Parameters
    ----------
    events : DataFrame or iterable of dict
        A row an event, with the `REQUIRED` columns.

    Returns
    -------
    DataFrame
        In the order given, with a fresh index.

    Raises
    ------
    ParameterError
        A required column is missing, or a time is no number, not finite, negative, or an event
        ends before it begins.
    """
    given = events if isinstance(events, pd.DataFrame) else pd.DataFrame(list(events))
    if given.empty and not len(given.columns):
        given = pd.DataFrame(columns=list(REQUIRED))
    if lacking := [name for name in REQUIRED if name not in given]:
        raise ParameterError(f"a table of events needs the column {lacking[0]!r}")
    table = pd.DataFrame(index=pd.RangeIndex(len(given)))
    for name, kind in COLUMNS.items():
        values = given[name].to_numpy() if name in given else None
        table[name] = _texts(values, len(given)) if kind == "str" else _numbers(name, values)
    for name in given.columns:
        if name not in COLUMNS:
            table[name] = given[name].to_numpy()
    start, end = table["start_s"].to_numpy(), table["end_s"].to_numpy()
    bad = ~(np.isfinite(start) & np.isfinite(end) & (start >= 0) & (end >= start))
    if bad.any():
        row = int(bad.argmax())
        raise ParameterError(
            f"event {row + 1} of {table['file'][row]}: from {start[row]:g} s to {end[row]:g} s is "
            "no span of a recording"
        )
    return table


def _texts(values: Any, n: int) -> pd.Series[str]:
    found = np.full(n, "", dtype=object) if values is None else values
    if all(type(value) is str for value in found):
        return pd.Series(found, index=pd.RangeIndex(n), dtype="str")
    return pd.Series(["" if pd.isna(value) else str(value) for value in found], dtype="str")


def _numbers(name: str, values: Any) -> pd.Series[float] | float:
    if values is None:
        return float("nan")
    try:
        return pd.Series(pd.to_numeric(values), dtype="float64")
    except (TypeError, ValueError) as error:
        raise ParameterError(f"the column {name!r} of a table of events holds a text") from error
