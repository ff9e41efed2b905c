"""BirdSet: birds of eight places, learned from focal recordings and scored in soundscapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from faunashot.audio.recordings import recordings_in
from faunashot.data import layout
from faunashot.data.corpora.base import TEST, TRAIN, Clip, Corpus, CorpusOptions
from faunashot.errors import CorpusError
from faunashot.files import write_atomically
from faunashot.targets import join_names

_PARTS = {"train": TRAIN, "test_5s": TEST}
_NAMES = ("filepath", "__index_level_0__")
"""Columns that may hold the name of a recording; the second is what pandas calls an index."""

_SEVERAL, _ONE = "ebird_code_multilabel", "ebird_code"
_AT_ONCE = 256
"""Rows of a table that are in memory at once where they hold recordings."""


class BirdSetOptions(CorpusOptions):
    """What may be set of BirdSet.

    Attributes
    ----------
    subset : str
        Which of its places.
    """

    subset: Literal["HSN", "NBP", "NES", "PER", "POW", "SNE", "SSW", "UHH"] = "HSN"


class BirdSet(Corpus):
    """A subset of BirdSet: `HSN/HSN_metadata_train.parquet`, `HSN/HSN_metadata_test_5s.parquet`.

    The recordings lie anywhere below the root, as the archives beside the tables hold them. Tables
    that hold the recordings themselves (a column `audio` with bytes, also in files such as
    `train-00000-of-00003.parquet`) are unpacked by `faunashot fetch birdset --root ROOT`. A row
    whose recording is absent is counted as missing.

    Classes are eBird's codes. A focal recording of Xeno-canto is learned from as a whole, a
    segment of five seconds of a soundscape is scored, whether it has birds or not; `group` is the
    recording that it is of. A class that no clip to learn from has, or none to be scored, is left
    out, and a note says so.
    """

    name = "birdset"
    licence = "CC BY-NC 4.0; recordings of Xeno-canto as each says"
    citation = (
        "L. Rauch, R. Schwinger, M. Wirth, R. Heinrich, D. Huseljic, M. Herde, J. Lange, S. Kahl,"
        " B. Sick, S. Tomforde, C. Scholz (2025). BirdSet: A Large-Scale Dataset for Audio"
        " Classification in Avian Bioacoustics. ICLR 2025. arXiv:2403.10380"
    )
    url = "https://huggingface.co/datasets/DBD-research-group/BirdSet"
    multi_label = True
    Options = BirdSetOptions
    options: BirdSetOptions

    def clips(self, root: Path) -> Iterator[Clip]:
        """Yield the clips of the wanted classes, see `Corpus.scorable`."""
        yield from self.scorable(super().clips(root))

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the rows of both tables whose recordings are there."""
        tables = {part: self._tables(root, written) for written, part in _PARTS.items()}
        for written, part in _PARTS.items():
            if not tables[part]:
                raise self.not_here(root, f"{self._table(written)} is missing")
        files = {file.name: layout.relative(file, root) for file in recordings_in(root)}
        taken: set[str] = set()
        for part, of_part in tables.items():
            for table in of_part:
                for name, labels, row in self._rows(table):
                    path = files.get(name)
                    stem = PurePosixPath(name).stem
                    group = stem.rsplit("_", 2)[0] if part == TEST else stem
                    clip = Clip(stem, path or name, join_names(labels), part, group)
                    if path is None:
                        self.missing.append(clip)
                    elif path in taken:
                        self.problems.append((path, f"{row} has it once more"))
                    elif part == TRAIN and not labels:
                        self.problems.append((path, f"{row} gives it no bird"))
                    else:
                        taken.add(path)
                        yield clip
        if not taken:
            lack = "none of the recordings that its tables list is there"
            how = f"`faunashot fetch birdset --root {root}` unpacks those within tables"
            raise self.not_here(root, f"{lack}; {how}")

    def _table(self, written: str) -> str:
        return f"{self.options.subset}_metadata_{written}.parquet"

    def _tables(self, root: Path, written: str) -> list[Path]:
        """Tables of a part: one under its published name, or the pieces that the hub makes."""
        for place in (root / self.options.subset, root):
            if (place / self._table(written)).is_file():
                return [place / self._table(written)]
            if pieces := sorted(place.glob(f"{written}-*.parquet")):
                return pieces
        return []

    def _rows(self, table: Path) -> Iterator[tuple[str, list[str], str]]:
        """Name of the recording, classes, and where it stands, of each row of a table."""
        file = _opened(table)
        schema = file.schema_arrow
        name = next((column for column in _NAMES if column in schema.names), None)
        label = next((column for column in (_SEVERAL, _ONE) if column in schema.names), None)
        if name is None or label is None:
            found = ", ".join(schema.names)
            raise CorpusError(
                f"{table} has no column {_NAMES[0] if name is None else _SEVERAL}; it has: {found}"
            )
        of_number = _class_names(schema.metadata or {}, label)
        columns = file.read([name, label], use_threads=False).to_pydict()
        for number, (path, found) in enumerate(zip(columns[name], columns[label], strict=True)):
            row = f"{table.name}, row {number + 1}"
            if not isinstance(path, str) or not path:
                self.problems.append((row, "it has no name of a recording"))
                continue
            listed = found if isinstance(found, list) else [found]
            codes = [one for one in listed if one is not None]
            if any(isinstance(one, int) and not 0 <= one < len(of_number) for one in codes):
                self.problems.append((row, f"it has the unknown class {codes}"))
                continue
            labels = [of_number[one] if isinstance(one, int) else str(one) for one in codes]
            yield PurePosixPath(path.replace("\\", "/")).name, labels, row

    def fetch(self, root: Path) -> None:
        """Unpack the recordings that the tables at `root` hold, or say how to get it."""
        n = sum(
            _unpacked(table, root / "audio")
            for written in _PARTS
            for table in self._tables(root, written)
        )
        if not n:
            raise CorpusError(
                f"BirdSet is not fetched (4 to 35 GB a subset): download the folder "
                f"{self.options.subset} of {self.url}\nto {root}, tables and archives, and unpack "
                "the archives there"
            )


def _opened(table: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(table, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{table} cannot be read as a Parquet table: {error}") from error


def _class_names(metadata: dict[bytes, bytes], column: str) -> list[str]:
    """Names of the classes that a table of the hub gives by number; none where it gives codes."""
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        return list(feature.get("feature", feature)["names"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _unpacked(table: Path, folder: Path) -> int:
    """Write the recordings that a table holds to a folder; gives how many it holds."""
    file = _opened(table)
    schema = file.schema_arrow
    if "audio" not in schema.names or not str(schema.field("audio").type).startswith("struct"):
        return 0
    names = [column for column in _NAMES if column in schema.names]
    n = 0
    for batch in file.iter_batches(_AT_ONCE, columns=["audio", *names]):
        for row in batch.to_pylist():
            audio = row["audio"] or {}
            name = PurePosixPath(str((names and row[names[0]]) or audio.get("path") or "")).name
            if not audio.get("bytes") or not name:
                continue
            n += 1
            if not (folder / name).exists():
                write_atomically(folder / name, audio["bytes"])
    return n
