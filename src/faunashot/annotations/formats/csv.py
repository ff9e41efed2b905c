"""Events as CSV: the columns of our own table, which any spreadsheet opens."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from faunashot.annotations.columns import columns_of, has_times
from faunashot.annotations.delimited import events_of, first_line, text_of
from faunashot.annotations.formats.base import AnnotationFormat, RecordingInfo
from faunashot.annotations.gathering import ParsedTable
from faunashot.errors import AnnotationError
from faunashot.files import write_atomically

DELIMITERS = ",;\t"


class Csv(AnnotationFormat):
    """A row an event, times in seconds from the beginning of its recording.

    Read are also tables of BirdNET-Analyzer, Kaleidoscope, opensoundscape and DCASE, and cells
    between semicolons or tabs.
    """

    suffix = ".csv"
    title = "CSV, one row an event, with the recording's name and times in seconds"

    def write(
        self,
        table: pd.DataFrame,
        path: Path,
        *,
        recordings: Mapping[str, RecordingInfo] | None = None,
    ) -> None:
        """As `AnnotationFormat.write`; quoted where a name has a comma, a quote or a line break."""
        text = io.StringIO(newline="")
        # a carriage return is quoted where lines end in one
        ends = "\r\n" if table["label"].str.contains("\r").any() else "\n"
        table.to_csv(text, index=False, lineterminator=ends)
        write_atomically(path, text.getvalue())

    def recognises(self, head: bytes) -> bool:
        """Whether the first line names times, and is none of Raven's."""
        header = first_line(head)
        return "begin time (s)" not in header.lower() and has_times(_cells(header))

    def parse(self, content: bytes) -> ParsedTable:
        """As `AnnotationFormat.parse`."""
        text = text_of(content)
        delimiter = _delimiter(text.partition("\n")[0])
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows, lines = [], []
        try:
            header = next(reader, [])
            columns = columns_of(header)
            for row in reader:
                if len(row) != len(header):
                    if not row:
                        continue
                    raise AnnotationError(
                        f"line {reader.line_num}: {len(row)} cells, but {len(header)} in the header"
                    )
                rows.append(row)
                lines.append(reader.line_num)
        except csv.Error as error:
            raise AnnotationError(f"no table that can be read ({error})") from error
        taken = set(columns.values())
        others = {name: at for at, name in enumerate(header) if at not in taken and name.strip()}
        return events_of(rows, lines, columns, others=others)


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=header.count)


def _cells(header: str) -> list[str]:
    return next(csv.reader([header], delimiter=_delimiter(header)), [])
