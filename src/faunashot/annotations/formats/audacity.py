"""Labels of Audacity: beginning, end and label of each, and below it the band, if it has one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from faunashot.annotations.delimited import first_line, text_of
from faunashot.annotations.formats.base import AnnotationFormat, RecordingInfo
from faunashot.annotations.gathering import ParsedTable
from faunashot.annotations.one_line import read_labels, written_label
from faunashot.errors import AnnotationError
from faunashot.files import write_atomically

BAND = "\\"
"""First cell of a line that gives the band of the label above it."""

UNKNOWN_HZ = -1.0
"""What Audacity writes for an edge that is not set."""


class Audacity(AnnotationFormat):
    """A line a label, of one recording; there is no place for a score."""

    suffix = ".labels.txt"
    title = "labels of Audacity, one file a recording; without scores"
    names_file = False

    def write(
        self,
        table: pd.DataFrame,
        path: Path,
        *,
        recordings: Mapping[str, RecordingInfo] | None = None,
    ) -> None:
        """As `AnnotationFormat.write`; times are rounded to microseconds, as Audacity does."""
        columns = (table[name] for name in ("start_s", "end_s", "label", "low_hz", "high_hz"))
        lines = []
        for start, end, label, low, high in zip(*columns, strict=True):
            lines.append(f"{start:.6f}\t{end:.6f}\t{written_label(label)}\n")
            if not (np.isnan(low) and np.isnan(high)):
                edges = (UNKNOWN_HZ if np.isnan(edge) else edge for edge in (low, high))
                lines.append("\t".join([BAND, *(f"{edge:.6f}" for edge in edges)]) + "\n")
        write_atomically(path, "".join(lines))

    def recognises(self, head: bytes) -> bool:
        """Whether the first line begins with two numbers, or there is none."""
        cells = first_line(head).split("\t")
        return not head.strip() or (len(cells) > 1 and all(map(_is_number, cells[:2])))

    def parse(self, content: bytes) -> ParsedTable:
        """As `AnnotationFormat.parse`; a fourth cell is a score, as BirdNET-Analyzer writes it."""
        rows: list[list[object]] = []
        lines = []
        for number, line in enumerate(text_of(content).replace("\r\n", "\n").split("\n"), 1):
            cells = line.split("\t")
            if cells[0] == BAND and rows:
                edges = [float(cell) if _is_number(cell) else UNKNOWN_HZ for cell in cells[1:3]]
                rows[-1][4:] = [edge if edge >= 0 else np.nan for edge in [*edges, -1, -1][:2]]
            elif len(cells) > 1:
                label, score = [*cells[2:4], "", ""][:2]
                rows.append([cells[0], cells[1], label, score, np.nan, np.nan])
                lines.append(number)
            elif line.strip():
                raise AnnotationError(f"line {number}: no beginning and end between tabs")
        names = ("start_s", "end_s", "label", "score", "low_hz", "high_hz")
        columns = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
        if rows:
            columns["label"] = tuple(read_labels(map(str, columns["label"])))
        return ParsedTable({**columns}, lines)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
