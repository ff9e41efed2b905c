"""Many parsed files of events to one table: times judged at once, faults told by file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.annotations.table import OPTIONAL, REQUIRED, as_table
from faunashot.errors import AnnotationError

if TYPE_CHECKING:
    from faunashot.annotations.formats.base import AnnotationFormat

NUMBERS = {name for name, kind in (REQUIRED | OPTIONAL).items() if kind == "float64"}


@dataclass
class ParsedTable:
    """What a file of events says.

    Attributes
    ----------
    columns : dict of str to sequence
        Those of our table, by name, as texts or numbers, all of one length; ``file`` lacks where
        the file does not name its recording.
    lines : sequence of int
        Line, or number, of each event in the file.
    silent : list of str
        Recordings that the file names as without an event.
    """

    columns: dict[str, Sequence[Any]]
    lines: Sequence[int]
    silent: list[str] = field(default_factory=list)


@dataclass
class Gathered:
    """Events of many files.

    Attributes
    ----------
    events : DataFrame
        As `as_table` gives it.
    source : ndarray of int
        Number, in `paths`, of the file that each event is of.
    paths : list of Path
        The files that could be parsed.
    recordings : dict of Path to list of str
        Recordings that each file names, or is named after, also those without an event.
    problems : list of (Path, str)
        Files that could not be read, and why.
    """

    events: pd.DataFrame
    source: npt.NDArray[np.int64]
    paths: list[Path]
    recordings: dict[Path, list[str]]
    problems: list[tuple[Path, str]]

    def whole(self) -> pd.DataFrame:
        """The events.

        Raises
        ------
        AnnotationError
            A file could not be read.
        """
        for path, reason in self.problems:
            raise AnnotationError(f"{path}: {reason}")
        return self.events


def gathered(
    files: Mapping[Path, tuple[AnnotationFormat, bytes]], *, named: Mapping[Path, str]
) -> Gathered:
    """Read files of events, each of its format, into one table.

    Parameters
    ----------
    files : mapping
        Format and content of each file.
    named : mapping
        Name of the recording of each, where it does not name it itself.
    """
    problems: list[tuple[Path, str]] = []
    parsed: dict[Path, ParsedTable] = {}
    for path, (kind, content) in files.items():
        try:
            parsed[path] = kind.parse(content)
        except AnnotationError as error:
            problems.append((path, str(error)))
    columns = _joined(parsed, named)
    paths, lines = list(parsed), np.array([n for one in parsed.values() for n in one.lines], int)
    source = np.repeat(np.arange(len(paths)), [len(one.lines) for one in parsed.values()])
    numbers = {name: _numbers(columns[name]) for name in columns if name in NUMBERS}
    faults = _faults(columns, numbers, len(lines))
    bad: dict[int, str] = {}
    for row, reason in faults:
        bad.setdefault(int(source[row]), f"line {lines[row]}: {reason}")
    problems += [(paths[at], reason) for at, reason in bad.items()]
    kept = ~np.isin(source, list(bad))
    events = as_table(
        pd.DataFrame({name: numbers.get(name, of) for name, of in columns.items()})[kept]
    )
    recordings = {
        path: _recordings(one, named[path])
        for at, (path, one) in enumerate(parsed.items())
        if at not in bad
    }
    return Gathered(events, source[kept], paths, recordings, problems)


def _joined(
    parsed: Mapping[Path, ParsedTable], named: Mapping[Path, str]
) -> dict[str, npt.NDArray[Any]]:
    """Columns of all files below each other, empty where a file lacks one."""
    names = dict.fromkeys([*REQUIRED, *(name for one in parsed.values() for name in one.columns)])
    joined: dict[str, list[Any]] = {name: [] for name in names}
    for path, one in parsed.items():
        n = len(one.lines)
        for name, of in joined.items():
            if name in one.columns:
                of.extend(one.columns[name])
            else:
                of.extend([named[path] if name == "file" else ""] * n)
    return {name: np.array(of, dtype=object) for name, of in joined.items()}


def _numbers(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Numbers, NaN where there is none."""
    return pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").to_numpy(np.float64)


def _faults(
    columns: Mapping[str, npt.NDArray[Any]], numbers: Mapping[str, npt.NDArray[np.float64]], n: int
) -> list[tuple[int, str]]:
    """Rows that hold no event, in their order, and why."""
    found: list[tuple[int, str]] = []
    for name, values in numbers.items():
        texts = columns[name]
        for row in np.flatnonzero(np.isnan(values)):
            text = str(texts[row]).strip()
            if text.lower() not in ("", "nan") or name in REQUIRED:
                found.append((int(row), f"{text!r} is no number ({name})"))
    if n:
        start, end = numbers["start_s"], numbers["end_s"]
        finite = np.isfinite(start) & np.isfinite(end)
        wrong = ~(finite & (start >= 0) & (end >= start))
        for row in np.flatnonzero(wrong):
            span = f"from {start[row]:g} s to {end[row]:g} s"
            found.append((int(row), f"{span} is no span of a recording"))
    return sorted(found, key=lambda fault: fault[0])


def _recordings(one: ParsedTable, named: str) -> list[str]:
    """The recordings of a file: those that it names, else the one that it is named after."""
    return list(dict.fromkeys([*one.columns.get("file", ()), *one.silent])) or [named]
