"""Tables of what was detected, each with a file beside it that says how it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.formats.base import RecordingInfo
from faunashot.annotations.table import as_table
from faunashot.annotations.times import with_times
from faunashot.detection.parts import Detected, Parts
from faunashot.errors import ParameterError
from faunashot.files import write_atomically

ALL_IN_ONE = "detections"
"""What the table of all recordings is called, without its format's ending."""

BESIDE = ".detection.json"
"""Ending of the file that says how a table was made."""


def refuse_formats(formats: Sequence[str], *, one_table: bool) -> None:
    """Raise `ParameterError` where a format is not known, or cannot be of several recordings."""
    for name in formats:
        names_file = ANNOTATION_FORMATS[name].names_file
        if one_table and not names_file:
            raise ParameterError(
                f"--format {name} does not say which recording an event is in: leave "
                "--one-table out"
            )


def write_tables(
    parts: Parts,
    recordings: Sequence[Detected],
    *,
    formats: Sequence[str],
    one_table: bool,
    about: Mapping[str, Any],
) -> list[Path]:
    """Write the tables of recordings, and what each was made by beside it.

    Parameters
    ----------
    parts : Parts
        What was detected.
    recordings : sequence of Detected
        Of which there shall be tables; one table is of all that there are parts of.
    formats : sequence of str
    one_table : bool
        One of all recordings, or one of each.
    about : mapping
        How all of it was made, JSON-ready.

    Returns
    -------
    list of Path
        The tables.
    """
    sets = {ALL_IN_ONE: [*parts.all()]} if one_table else {of.below: [of] for of in recordings}
    written = []
    for name, of in sets.items():
        base = parts.out / name
        tables = [
            base.with_name(f"{base.name}{ANNOTATION_FORMATS[each].suffix}") for each in formats
        ]
        events = pd.concat([parts.events(one.file) for one in of], ignore_index=True)
        timed = with_times(as_table(events), {one.file: one.began for one in of})
        _write(timed, tables, formats, of)
        made = {**about, "tables": [table.name for table in tables]}
        made["recordings"] = [_facts(one) for one in of]
        text = json.dumps(made, indent=1, ensure_ascii=False)
        write_atomically(base.with_name(f"{base.name}{BESIDE}"), f"{text}\n")
        written += tables
    return written


def _write(
    events: pd.DataFrame, tables: Sequence[Path], formats: Sequence[str], of: Sequence[Detected]
) -> None:
    recordings = {one.file: RecordingInfo(one.duration_s, one.sample_rate) for one in of}
    for name, table in zip(formats, tables, strict=True):
        ANNOTATION_FORMATS[name]().write(events, table, recordings=recordings)


def _facts(recording: Detected) -> dict[str, Any]:
    changed = datetime.fromtimestamp(recording.mtime_ns / 1e9).astimezone()
    left_out = {"below", "mtime_ns"}
    facts = {name: value for name, value in asdict(recording).items() if name not in left_out}
    return facts | {"changed": changed.isoformat(timespec="seconds")}
