"""The corpus that labels go into: cut clips, and the table that the corpus `folder` reads."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from faunashot.audio.decode import Audio
from faunashot.errors import CorpusError
from faunashot.files import plain_name, write_atomically
from faunashot.labelling.items import Item

LABELS, UNCERTAIN = "labels.csv", "uncertain.csv"
"""Tables of what was labelled, and of what a person listened to and could not tell."""

COLUMNS = ("path", "label", "group", "file", "start_s", "end_s", "labelled_at")
"""Columns of both: the clip in the corpus, its class, the source recording that keeps its clips on
one side of a split, and the span of the recording that it was cut from."""


class LabelledCorpus:
    """A folder of labelled clips that grows by a clip an answer; each answer is there at once.

    Parameters
    ----------
    folder : Path
        Made if it is not there; one that is goes on.

    Raises
    ------
    CorpusError
        Its tables are not of this kind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.labelled = _read(folder / LABELS)
        self.uncertain = _read(folder / UNCERTAIN)

    @property
    def counts(self) -> dict[str, int]:
        """Clips of each class that has some."""
        return dict(Counter(row["label"] for row in self.labelled))

    @property
    def answered(self) -> set[tuple[str, float, float | None]]:
        """Keys of the items that have an answer."""
        return {_key(row) for row in (*self.labelled, *self.uncertain)}

    def add(self, item: Item, audio: Audio, *, label: str) -> None:
        """Take an answer: the clip is written first, then its row.

        Parameters
        ----------
        item : Item
        audio : Audio
            Of its span.
        label : str
            Name of the class.
        """
        row = _row(item, path=f"audio/{_clip_name(item)}", label=label)
        file = self.folder / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, _flac(audio))
        self._write(LABELS, self.labelled, [*self.labelled, row])

    def add_uncertain(self, item: Item) -> None:
        """Note that somebody listened and could not tell; it is no clip of the corpus."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write(UNCERTAIN, self.uncertain, [*self.uncertain, _row(item, path="", label="")])

    def take_back(self, item: Item) -> None:
        """Remove the answer of an item, with its clip."""
        for name, rows in ((LABELS, self.labelled), (UNCERTAIN, self.uncertain)):
            others = [row for row in rows if _key(row) != item.key]
            if len(others) < len(rows):
                gone = [row["path"] for row in rows if _key(row) == item.key and row["path"]]
                self._write(name, rows, others)
                for path in gone:
                    (self.folder / path).unlink(missing_ok=True)

    def _write(self, name: str, rows: list[dict[str, str]], new: list[dict[str, str]]) -> None:
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(new)
        write_atomically(self.folder / name, text.getvalue())
        rows[:] = new  # not before it is on the disk


def _read(table: Path) -> list[dict[str, str]]:
    if not table.exists():
        return []
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
            raise CorpusError(
                f"{table} has no column {missing[0]}: it was not written by `faunashot label`; "
                "name another folder"
            )
        return list(rows)


def _row(item: Item, *, path: str, label: str) -> dict[str, str]:
    file, start_s, end_s = item.key
    return {
        "path": path,
        "label": label,
        "group": file,
        "file": file,
        "start_s": str(start_s),
        "end_s": "" if end_s is None else str(end_s),
        "labelled_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _key(row: Mapping[str, str]) -> tuple[str, float, float | None]:
    end_s = float(row["end_s"]) if row["end_s"] else None
    return plain_name(row["file"]), float(row["start_s"]), end_s


def _clip_name(item: Item) -> str:
    """Name of a clip's file: readable, and never that of another recording's clip."""
    file, start_s, end_s = item.key
    stem = re.sub(r"[^\w.-]+", "_", item.file.stem)[:60]
    code = hashlib.sha256(f"{file}\n{end_s}".encode()).hexdigest()[:8]
    return f"{stem}-{code}-{round(start_s * 1000):09d}.flac"


def _flac(audio: Audio) -> bytes:
    import soundfile as sf

    file = io.BytesIO()
    sf.write(file, audio.samples, audio.sample_rate, "PCM_24", format="FLAC")
    return file.getvalue()


def check_classes(names: Sequence[str]) -> list[str]:
    """Names of classes, stripped, each once.

    Raises
    ------
    CorpusError
        One is empty, or holds what a table of labels takes for several.
    """
    from faunashot.targets import SEPARATOR

    stripped = [name.strip() for name in names]
    for name in stripped:
        if not name or SEPARATOR in name or not name.isprintable():
            raise CorpusError(f"{name!r} cannot be the name of a class")
    return list(dict.fromkeys(stripped))
