"""Anybody's recordings: a folder for each class, or a table that labels them."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from faunashot.audio.recordings import NO_TEXT, is_text, printable, recordings_in
from faunashot.data import layout
from faunashot.data.corpora.base import Clip, Corpus, CorpusOptions
from faunashot.errors import CorpusError
from faunashot.targets import SEPARATOR, join_names

LOOK_FOR_ONE, NO_TABLE = "auto", "none"
COLUMNS = ("path", "label")
"""Columns that make a table one of labels."""


class FolderOptions(CorpusOptions):
    """What may be set of a folder.

    Attributes
    ----------
    table : str
        POSIX path of the table, relative to the root; "auto" to look for one, "none" (or null,
        false, an empty text) for class folders whatever tables lie beside them.
    multi_label : bool
        Whether a recording may carry several classes, or none.
    """

    table: Annotated[str, BeforeValidator(lambda given: given or NO_TABLE)] = LOOK_FOR_ONE
    multi_label: Annotated[bool, Field(strict=True)] = False


class Folder(Corpus):
    """`<class>/**/<any recording>`, or a table: path, label[, fold][, group][, salience].

    A table is used where one is named, else `labels.csv`, else the only .csv in the root that has
    these columns. Its paths are relative to its own folder.

    A file under two labels is left out and reported, unless the option ``multi_label`` is set:
    then it has both. A cell of the table may then hold several names, such as ``frog;owl``, a
    path may have several rows, and an empty label is a recording of none of the classes.
    """

    name = "folder"
    licence = "that of your own recordings"
    citation = "none: your own recordings"
    url = None
    Options = FolderOptions
    options: FolderOptions

    def __init__(self, name: str | None = None, **options: Any) -> None:
        super().__init__(name, **options)
        self.multi_label = self.options.multi_label

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield what the table or the class folders list, less what is reported."""
        table = self._table(root)
        listed = self._rows(root, table) if table else self._files(root)
        found = False
        for clip in self._sound(root, listed):
            found = True
            yield clip
        if not found:
            others = ", ".join(sorted(path.name for path in root.glob("*.csv")))
            how = f"the table {table}" if table else "its class folders"
            if others and not table:
                how += f" (of {others} none is taken for the labels: name it in {self._key})"
            first = "; first: {}: {}".format(*self.problems[0]) if self.problems else ""
            raise self.not_here(root, f"no recording can be used from {how}{first}")

    def _table(self, root: Path) -> str | None:
        if self.options.table == NO_TABLE:
            return None
        if self.options.table != LOOK_FOR_ONE:
            table = layout.inside(self.options.table)
            if table is None or not (root / table).is_file():
                raise CorpusError(f"{root} has no table {self.options.table!r}: check {self._key}")
            return table
        if (root / "labels.csv").exists():
            return "labels.csv"
        visible = (path for path in root.glob("*.csv") if not path.name.startswith("."))
        tables = [path.name for path in visible if layout.is_table_of(path, COLUMNS)]
        return tables[0] if len(tables) == 1 else None

    @property
    def _key(self) -> str:
        return f"corpora.{self.name}.table"

    def _files(self, root: Path) -> Iterator[Clip]:
        for folder in layout.subfolders(root):
            for file in recordings_in(folder):
                path = layout.relative(file, root)
                yield Clip(clip_id=path, path=path, label=folder.name, fold=None, group=path)

    def _rows(self, root: Path, table: str) -> Iterator[Clip]:
        folder = PurePosixPath(table).parent.as_posix()
        names = layout.SpelledNames(root)
        try:
            rows = layout.read_table(root / table, COLUMNS)
        except CorpusError as error:
            if self.options.table != LOOK_FOR_ONE:
                raise
            raise CorpusError(f"{error}; if it is not of labels, set {self._key}: none") from error
        for number, row in enumerate(rows, start=2):
            given, label = row["path"], row["label"]
            path = layout.inside(given, below=folder) if given else None
            if not given:
                self.problems.append((f"{table}, row {number}", "it has no path"))
            elif path is None:
                self.problems.append((given, "the path is absolute or leaves the corpus' folder"))
            elif self.multi_label and layout.SURPLUS in row:
                self.problems.append((path, f"row {number} of {table} has more cells than columns"))
            elif not label and not self.multi_label:
                self.problems.append((path, f"it has no label in {table}"))
            else:
                path = names.on_disk(path)
                fold, group = row.get("fold") or None, row.get("group") or path
                yield Clip(path, path, label, fold, group, salience=row.get("salience") or None)

    def _sound(self, root: Path, listed: Iterable[Clip]) -> Iterator[Clip]:
        """Yield the clips that are files with one label each, and report the others.

        Where clips carry several classes, that label is of all classes that a file is given.
        """
        by_file: dict[object, set[Clip]] = defaultdict(set)
        for clip in dict.fromkeys(listed):
            if not is_text(clip.path):
                self.problems.append((printable(clip.path), NO_TEXT))
                continue
            try:
                found = os.stat(root / clip.path)
            except OSError as error:
                self.problems.append((clip.path, error.strerror or "it cannot be opened"))
                continue
            if not stat.S_ISREG(found.st_mode):
                self.problems.append((clip.path, "it is not a file"))
                continue
            # The same file behind two links counts as one; a system without inodes says 0.
            key = (found.st_dev, found.st_ino) if found.st_ino else clip.path
            by_file[key].add(clip)
        for clips in by_file.values():
            if self.multi_label:
                label = join_names(name for clip in clips for name in _given(clip.label))
                clips = {replace(clip, label=label) for clip in clips}
            labels, paths = sorted({c.label for c in clips}), sorted({c.path for c in clips})
            if len(labels) > 1:
                reason = f"it has more than one label: {', '.join(labels)}"
            elif len(paths) < len(clips):
                reason = "its rows do not agree on its fold, group or salience"
            else:
                yield from clips
                continue
            self.problems += [(path, reason) for path in paths]


def _given(label: str) -> Iterator[str]:
    """Class names in a cell or the name of a folder, as a person writes them."""
    yield from filter(None, (name.strip() for name in label.split(SEPARATOR)))
