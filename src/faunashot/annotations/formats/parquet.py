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
        import pyarrow as pa
        from pyarrow import parquet

        try:  # quicker than pandas, which matters for thousands of small files
            found = parquet.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise AnnotationError(f"no Parquet file that can be read ({error})") from error
        names = found.column_names
        ours = {at: name for name, at in columns_of(names).items()}
        kept = {
            ours.get(at, name): ["" if cell is None else cell for cell in found[at].to_pylist()]
            for at, name in enumerate(names)
        }
        durations = kept.pop("duration_s", None)
        if "end_s" not in kept and durations is not None:
            kept["end_s"] = [
                begin + lasts for begin, lasts in zip(kept["start_s"], durations, strict=True)
            ]
        return ParsedTable({**kept}, range(1, found.num_rows + 1))
