"""Anybody's recordings: a folder for each class, or a table that labels them."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from faunashot.data.corpora import layout
from faunashot.data.corpora.base import Clip, Corpus
from faunashot.errors import CorpusError


class Folder(Corpus):
    """`<class>/**/<any recording>`, or a table with the columns path, label[, fold][, group].

    A table is used where one is named, else `labels.csv`, else the only .csv in the root. Its
    paths are relative to its own folder. A file under two labels is left out and reported.

    Parameters
    ----------
    classes : "all" or a list of class names.
    table : POSIX path of the table, relative to the root; looked for unless told.
    """

    name = "folder"
    licence = "that of your own recordings"
    citation = "none: your own recordings"
    url = None

    def __init__(self, classes: str | list[str] = "all", *, table: str | None = None) -> None:
        super().__init__(classes)
        self.table = table

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield what the table or the class folders list, less what is reported."""
        table = self._table(root)
        listed = self._rows(root, table) if table else self._files(root)
        found = False
        for clip in self._sound(root, listed):
            found = True
            yield clip
        if not found:
            how = f"the table {table}" if table else "its class folders"
            first = "; first: {}: {}".format(*self.problems[0]) if self.problems else ""
            raise self.not_here(root, f"no recording can be used from {how}{first}")

    def _table(self, root: Path) -> str | None:
        if self.table is not None:
            table = layout.inside(self.table)
            if table is None or not (root / table).is_file():
                raise CorpusError(
                    f"{root} has no table {self.table!r}: check corpora.{self.name}.table"
                )
            return table
        tables = [path.name for path in root.glob("*.csv") if not path.name.startswith(".")]
        if "labels.csv" in tables:
            return "labels.csv"
        return tables[0] if len(tables) == 1 else None

    def _files(self, root: Path) -> Iterator[Clip]:
        for folder in layout.subfolders(root):
            for file in layout.recordings(folder):
                path = layout.relative(file, root)
                yield Clip(clip_id=path, path=path, label=folder.name, fold=None, group=path)

    def _rows(self, root: Path, table: str) -> Iterator[Clip]:
        folder = PurePosixPath(table).parent.as_posix()
        for number, row in enumerate(layout.read_table(root / table, ("path", "label")), start=2):
            given, label = row["path"], row["label"]
            path = layout.inside(given, below=folder) if given else None
            if not given:
                self.problems.append((f"{table}, row {number}", "it has no path"))
            elif path is None:
                self.problems.append((given, "the path is absolute or leaves the corpus' folder"))
            elif not label:
                self.problems.append((path, f"it has no label in {table}"))
            else:
                fold, group = row.get("fold") or None, row.get("group") or path
                yield Clip(clip_id=path, path=path, label=label, fold=fold, group=group)

    def _sound(self, root: Path, listed: Iterable[Clip]) -> Iterator[Clip]:
        """Yield the clips that are files with one label each, and report the others."""
        by_file: dict[object, set[Clip]] = defaultdict(set)
        for clip in dict.fromkeys(listed):
            try:
                clip.path.encode()
                found = os.stat(root / clip.path)
            except UnicodeEncodeError:
                self.problems.append((ascii(clip.path), "its name is not valid text: rename it"))
                continue
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
            labels, paths = sorted({c.label for c in clips}), sorted({c.path for c in clips})
            if len(labels) > 1:
                reason = f"it has more than one label: {', '.join(labels)}"
            elif len(paths) < len(clips):
                reason = "its rows do not agree on its fold or group"
            else:
                yield from clips
                continue
            self.problems += [(path, reason) for path in paths]
