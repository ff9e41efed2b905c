"""When events were: from the beginning of their recording to a date and a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pandas as pd

BEGINS_AT, ENDS_AT = "begins_at", "ends_at"
"""Columns of a table of events, in ISO 8601 to the millisecond; empty where nothing is known."""


def later(began: datetime, seconds: float) -> datetime:
    """A time so many seconds after the beginning, on the same clock, which may be set in between.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> night = datetime(2023, 10, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    >>> later(night, 3600).isoformat()
    '2023-10-29T02:30:00+01:00'
    """
    if began.tzinfo is None:
        return began + timedelta(seconds=seconds)
    return (began.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(began.tzinfo)


def with_times(table: pd.DataFrame, beginnings: Mapping[str, datetime | None]) -> pd.DataFrame:
    """A table of events with the columns `BEGINS_AT` and `ENDS_AT`.

    Parameters
    ----------
    table : DataFrame
        As `faunashot.annotations.table.as_table` gives it.
    beginnings : mapping
        When each recording began, by its path as the table has it. A time without an offset stays
        without one.
    """
    files = table["file"].tolist()
    columns = {}
    for name, seconds in ((BEGINS_AT, table["start_s"]), (ENDS_AT, table["end_s"])):
        texts = [
            "" if (began := beginnings.get(file)) is None else _iso(began, second)
            for file, second in zip(files, seconds.tolist(), strict=True)
        ]
        columns[name] = pd.Series(texts, index=table.index, dtype="str")
    return table.assign(**columns)


def _iso(began: datetime, seconds: float) -> str:
    return later(began, seconds).isoformat(timespec="milliseconds")
