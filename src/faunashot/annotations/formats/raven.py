"""Selection tables of Raven, as Raven, BirdNET-Analyzer and many detectors write them.

A table is of one recording, or of several that Raven opens one after the other as one sound: then
``Begin Time (s)`` runs on from file to file, and ``File Offset (s)`` is the time within a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.annotations.columns import columns_of
from faunashot.annotations.delimited import events_of, first_line, rows_of, text_of
from faunashot.annotations.formats.base import AnnotationFormat, RecordingInfo
from faunashot.annotations.gathering import ParsedTable
from faunashot.annotations.one_line import read_labels, read_paths, written_label, written_path
from faunashot.annotations.table import COLUMNS
from faunashot.errors import ParameterError
from faunashot.files import write_atomically

UNKNOWN_HIGH_HZ = 8000.0
"""Upper edge of an event's box where neither its band nor the recording's rate is known."""

KEPT = ("model", "begins_at", "ends_at", "site")
"""Our further columns, which Raven shows as annotations."""


class Raven(AnnotationFormat):
    """A line a selection, between tabs."""

    suffix = ".selections.txt"
    title = "selection table of Raven, one a recording, or one of several with file offsets"

    def write(
        self,
        table: pd.DataFrame,
        path: Path,
        *,
        recordings: Mapping[str, RecordingInfo] | None = None,
    ) -> None:
        """As `AnnotationFormat.write`; of several recordings it needs to know the lengths.

        Times are rounded to microseconds. Where an event has no band, its box goes from 0 Hz to
        half the recording's rate, or `UNKNOWN_HIGH_HZ`. Scores that are not known are empty.
        """
        known = recordings or {}
        files = table["file"].to_numpy()
        begins = _begins(files, known)
        rates = np.array([known[f].sample_rate / 2 if f in known else 0.0 for f in files])
        start, length = table["start_s"].to_numpy(), (table["end_s"] - table["start_s"]).to_numpy()
        runs_on = np.array([begins[file] for file in files]) + start
        columns = {
            "Selection": [str(n) for n in range(1, len(table) + 1)],
            "View": ["Spectrogram 1"] * len(table),
            "Channel": ["1"] * len(table),
            "Begin Time (s)": _written(runs_on, 6),
            "End Time (s)": _written(runs_on + length, 6),
            "Low Freq (Hz)": _written(table["low_hz"].fillna(0.0).to_numpy(), 3),
            "High Freq (Hz)": _written(_high(table, rates), 3),
            "Begin File": [written_path(PurePosixPath(file).name) for file in files],
            "Begin Path": [written_path(file) for file in files],
            "File Offset (s)": _written(start, 6),
            "Score": _written(table["score"].to_numpy(), 6),
            "Annotation": [written_label(label) for label in table["label"]],
        }
        for name in KEPT:
            if name in table and (name not in COLUMNS or table[name].any()):
                columns[name] = [written_label(str(text)) for text in table[name]]
        lines = ["\t".join(columns), *map("\t".join, zip(*columns.values(), strict=True))]
        write_atomically(path, "\n".join(lines) + "\n")

    def recognises(self, head: bytes) -> bool:
        """Whether the first line is that of a selection table."""
        cells = first_line(head).lower().split("\t")
        return len(cells) > 1 and not {"begin time (s)", "file offset (s)"}.isdisjoint(cells)

    def parse(self, content: bytes) -> ParsedTable:
        """As `AnnotationFormat.parse`; a selection counts once, in however many views it stands."""
        header, *lines = text_of(content).replace("\r\n", "\n").split("\n")
        names = header.split("\t")
        columns = columns_of(names)
        rows, numbers = rows_of(lines, width=len(names))
        rows, numbers = _once(rows, numbers, columns)
        found = events_of(rows, numbers, columns, others={})
        found.columns["label"] = read_labels(found.columns["label"])
        if "file" in found.columns:
            found.columns["file"] = read_paths(found.columns["file"])
            found.silent = read_paths(found.silent)
        return found


def _begins(files: npt.NDArray[np.object_], known: Mapping[str, RecordingInfo]) -> dict[str, float]:
    """Where each file begins in the sound that all of them are, in seconds."""
    named = list(dict.fromkeys(files))
    if len(named) < 2 and len(known) < 2:
        return dict.fromkeys(named, 0.0)
    if lacking := [name for name in named if name not in known]:
        raise ParameterError(
            f"a selection table of {len(named)} recordings runs on from one to the next: the "
            f"length of {lacking[0]} has to be given"
        )
    ends = np.cumsum([0.0, *(info.duration_s for info in known.values())])
    return dict(zip(known, ends.tolist(), strict=False))


def _high(table: pd.DataFrame, rates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    high = table["high_hz"].to_numpy()
    return np.where(np.isnan(high), np.where(rates > 0, rates, UNKNOWN_HIGH_HZ), high)


def _written(values: npt.NDArray[np.float64], decimals: int) -> list[str]:
    return ["" if np.isnan(value) else f"{value:.{decimals}f}" for value in values.tolist()]


def _once(
    rows: list[list[str]], lines: list[int], columns: Mapping[str, int]
) -> tuple[list[list[str]], list[int]]:
    """Each selection once, from its spectrogram, whose band is the one that was drawn."""
    if "view" not in columns or "selection" not in columns:
        return rows, lines
    if len({row[columns["selection"]] for row in rows}) == len(rows):
        return rows, lines
    same = ("selection", "start_s", "end_s", "file", "in_file_s", "label")
    keyed = [columns[name] for name in same if name in columns]
    kept: dict[tuple[str, ...], int] = {}
    for at, row in enumerate(rows):
        key = tuple(row[n] for n in keyed)
        first = rows[kept.setdefault(key, at)]
        if not _is_spectrogram(first, columns) and _is_spectrogram(row, columns):
            kept[key] = at
    order = sorted(kept.values())
    return [rows[at] for at in order], [lines[at] for at in order]


def _is_spectrogram(row: list[str], columns: Mapping[str, int]) -> bool:
    return row[columns["view"]].startswith("Spectrogram")
