"""Events in crowsetta's own format, ``generic-seq``: CSV that tools for birdsong read.

Nicholson, "Crowsetta: A Python tool to work with any format for annotating animal vocalizations
and bioacoustics data", Journal of Open Source Software 8(84), 2023.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from faunashot.annotations.delimited import first_line
from faunashot.annotations.formats.base import AnnotationFormat, RecordingInfo
from faunashot.annotations.gathering import ParsedTable
from faunashot.annotations.one_line import read_labels, read_paths, written_label, written_path
from faunashot.errors import AnnotationError, ParameterError
from faunashot.files import write_atomically

HEADER = ("label", "onset_s", "offset_s", "notated_path", "annot_path", "sequence", "annotation")
UNNAMED = "None"
"""What crowsetta writes for a recording without a name."""

AS_TEXT = "%20"
"""Before a label that crowsetta, or pandas for it, would take for a number or for none."""

# fmt: off
NO_TEXTS = frozenset({
    "#n/a", "#n/a n/a", "#na", "-1.#ind", "-1.#qnan", "1.#ind", "1.#qnan", "<na>", "n/a", "na",
    "null", "none", "true", "false",
})
# fmt: on


class Crowsetta(AnnotationFormat):
    """A row a segment, through the library; there is no place for scores and bands."""

    suffix = ".crowsetta.csv"
    title = "crowsetta's generic-seq (extra [annotations]); without scores and bands"

    def write(
        self,
        table: pd.DataFrame,
        path: Path,
        *,
        recordings: Mapping[str, RecordingInfo] | None = None,
    ) -> None:
        """As `AnnotationFormat.write`; of a table without events the file is its header."""
        if table.empty:
            write_atomically(path, ",".join(HEADER) + "\n")
            return
        crowsetta = _library()
        annotations = []
        for file, events in table.groupby("file", sort=False):
            sequence = crowsetta.Sequence.from_keyword(
                labels=[_as_text(written_label(label)) for label in events["label"]],
                onsets_s=events["start_s"].to_numpy(),
                offsets_s=events["end_s"].to_numpy(),
            )
            notated = _as_text(written_path(str(file))) if file else UNNAMED
            annotations.append(
                crowsetta.Annotation(annot_path=path.name, notated_path=notated, seq=sequence)
            )
        generic = crowsetta.formats.seq.GenericSeq(annots=annotations)
        with tempfile.TemporaryDirectory() as folder:  # it writes to a path alone
            draft = Path(folder) / "draft.csv"
            generic.to_file(annot_path=draft)
            write_atomically(path, draft.read_bytes())

    def recognises(self, head: bytes) -> bool:
        """Whether the first line has the columns of generic-seq."""
        return {"notated_path", "annot_path", "sequence"} <= set(first_line(head).split(","))

    def parse(self, content: bytes) -> ParsedTable:
        """As `AnnotationFormat.parse`."""
        if not content.partition(b"\n")[2].strip():
            return ParsedTable({}, [])
        crowsetta = _library()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "table.csv"
            file.write_bytes(content)
            try:
                found = crowsetta.formats.seq.GenericSeq.from_file(file).to_annot()
            except Exception as error:  # pandera's, pandas' or its own
                reason = " ".join(str(error).split())[:200]
                raise AnnotationError(f"crowsetta cannot read it ({reason})") from error
        columns: dict[str, list[Any]] = {name: [] for name in ("file", "start_s", "end_s", "label")}
        for annotation in found:
            sequence = annotation.seq
            named = str(annotation.notated_path)
            named = "" if named in (UNNAMED, "nan") else named.removeprefix(AS_TEXT)
            columns["file"] += [named] * len(sequence.labels)
            columns["start_s"] += sequence.onsets_s.tolist()
            columns["end_s"] += sequence.offsets_s.tolist()
            columns["label"] += [str(one).removeprefix(AS_TEXT) for one in sequence.labels]
        columns |= {"file": read_paths(columns["file"]), "label": read_labels(columns["label"])}
        return ParsedTable({**columns}, range(2, 2 + len(columns["file"])))


def _as_text(written: str) -> str:
    """A text with a mark before it where it would be taken for anything else."""
    bare = written.strip().lower()
    try:
        float(bare or "nan")
    except ValueError:
        return AS_TEXT + written if bare in NO_TEXTS else written
    return AS_TEXT + written


def _library() -> Any:
    try:
        import crowsetta
    except ImportError as error:
        raise ParameterError(
            "the format crowsetta needs its library: pip install 'faunashot[annotations]'"
        ) from error
    return crowsetta
