"""Events as Parquet: the columns of our own table with their types, small and quick to read."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from faunashot.annotations.columns import columns_of
from faunashot.annotations.formats.base import AnnotationFormat, RecordingInfo
from faunashot.annotations.gathering import ParsedTable
from faunashot.errors import AnnotationError
from faunashot.files import write_atomically

MAGIC = b"PAR1"


class Parquet(AnnotationFormat):
    """A row an event."""

    suffix = ".parquet"
    title = "Parquet, one row an event: for pandas, R, DuckDB, and millions of events"

    def write(
        self,
        table: pd.DataFrame,
        path: Path,
        *,
        recordings: Mapping[str, RecordingInfo] | None = None,
    ) -> None:
        """As `AnnotationFormat.write`."""
        content = io.BytesIO()
        table.to_parquet(content, index=False)
        write_atomically(path, content.getvalue())

    def recognises(self, head: bytes) -> bool:
        """Whether it begins as Parquet does."""
        return head.startswith(MAGIC)

    def parse(self, content: bytes) -> ParsedTable:
        """As `AnnotationFormat.parse`."""
        try:
            found = pd.read_parquet(io.BytesIO(content))
        except (OSError, ValueError) as error:
            raise AnnotationError(f"no Parquet file that can be read ({error})") from error
        names = list(map(str, found.columns))
        columns = {names[at]: name for name, at in columns_of(names).items()}
        found = found.set_axis([columns.get(name, name) for name in names], axis=1)
        if "end_s" not in found:
            found["end_s"] = found["start_s"] + found["duration_s"]
        kept = {str(name): found[name].tolist() for name in found.columns if name != "duration_s"}
        return ParsedTable({**kept}, range(1, len(found) + 1))
