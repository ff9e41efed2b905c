"""Events as CSV: the columns of our own table, which any spreadsheet opens."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from faunashot.annotations.formats.base import AnnotationFormat
from faunashot.annotations.table import REQUIRED, as_table
from faunashot.errors import AnnotationError, ParameterError
from faunashot.files import write_atomically


class Csv(AnnotationFormat):
    """A row an event, times in seconds from the beginning of its recording."""

    suffix = ".csv"
    title = "CSV, one row an event, with the recording's name and times in seconds"

    def write(self, table: pd.DataFrame, path: Path) -> None:
        """As `AnnotationFormat.write`; quoted where a name has a comma, a quote or a line break."""
        write_atomically(path, table.to_csv(index=False, lineterminator="\n"))

    def read(self, path: Path) -> pd.DataFrame:
        """As `AnnotationFormat.read`."""
        try:
            found = pd.read_csv(path, dtype="str", keep_default_na=False, encoding="utf-8-sig")
        except (ValueError, pd.errors.ParserError) as error:
            raise AnnotationError(f"{path}: no table that can be read ({error})") from error
        if lacking := [name for name in REQUIRED if name not in found]:
            there = ", ".join(map(str, found))
            raise AnnotationError(f"{path}: no column {lacking[0]!r}; it has {there}")
        try:
            return as_table(found)
        except ParameterError as error:
            raise AnnotationError(f"{path}: {error}") from error
