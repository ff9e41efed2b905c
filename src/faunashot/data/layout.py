"""What published layouts are made of: folders of recordings and tables that list them."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TextIO
from unicodedata import normalize

from faunashot.errors import CorpusError

SURPLUS = "\0surplus"
"""Key of what a row of a table holds beyond the columns of its header."""


def child(folder: Path, *names: str) -> Path | None:
    """Follow folder `names` below `folder` whatever their case; None where one is missing."""
    for name in names:
        exact = folder / name
        if exact.is_dir():
            folder = exact
            continue
        matches = [path for path in subfolders(folder) if path.name.lower() == name.lower()]
        if not matches:
            return None
        folder = matches[0]
    return folder


def subfolders(folder: Path) -> list[Path]:
    """Folders directly below `folder` that are not hidden, sorted by name."""
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def relative(path: Path, root: Path) -> str:
    """POSIX path of `path` below `root`, links left as they are."""
    return path.relative_to(root).as_posix()


def inside(path: str, *, below: str = "") -> str | None:
    """Tidy a `path` that a table in folder `below` gives; None where it would leave the root.

    Parameters
    ----------
    path : str
        As written in the table; a backslash counts as a slash.
    below : str
        POSIX path, relative to the root, of the folder that the table lies in.
    """
    path = path.replace("\\", "/")
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive:
        return None
    tidy = os.path.normpath(os.path.join(below, path)).replace(os.sep, "/")
    return None if tidy in (".", "..") or tidy.startswith("../") else tidy


class SpelledNames:
    """Files below a root, whichever way a table spells their names.

    Unicode has several spellings of a letter such as ``ä``: a Mac may write another into its file
    names than a table has.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listed: dict[PurePosixPath, dict[str, str]] = {}

    def on_disk(self, path: str) -> str:
        """A POSIX path as its file spells it; as it is given where there is no such file."""
        if path.isascii() or (self._root / path).exists():
            return path
        found = PurePosixPath()
        for name in PurePosixPath(path).parts:
            found /= self._names(found).get(normalize("NFC", name), name)
        return found.as_posix()

    def _names(self, folder: PurePosixPath) -> dict[str, str]:
        if folder not in self._listed:
            place = self._root / folder
            names = os.listdir(place) if place.is_dir() else []
            self._listed[folder] = {normalize("NFC", name): name for name in names}
        return self._listed[folder]


def is_table_of(path: Path, columns: Iterable[str]) -> bool:
    """Whether a file is a table whose header has these columns, in lower case."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return set(columns) <= set(next(_rows(file), []))
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Read a comma, semicolon or tab separated table with a header.

    Parameters
    ----------
    path : Path
        The table, UTF-8.
    columns : iterable of str
        Names of the columns that have to be there, in lower case.

    Returns
    -------
    list of dict
        A dict a row: lower-case column name -> text, stripped; "" for an empty or missing cell.
        A row with more cells than the header has them joined under `SURPLUS`.

    Raises
    ------
    CorpusError
        The table cannot be read, or a column is missing.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = _rows(file)
            names = next(reader, [])
            rows = [dict.fromkeys(names, "") | _cells(names, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path} cannot be read as a UTF-8 table: {error}") from error
    missing = [name for name in columns if name not in names]
    if missing:
        found = ", ".join(names) or "nothing"
        raise CorpusError(f"{path} has no column {', '.join(missing)}; its header is: {found}")
    return rows


def _rows(file: TextIO) -> Iterator[list[str]]:
    """The header in lower case, stripped, then the rows as they are."""
    header = file.readline()
    file.seek(0)
    reader = csv.reader(file, delimiter=max(",;\t", key=header.count))
    yield [name.strip().lower() for name in next(reader, [])]
    yield from reader


def _cells(names: list[str], row: list[str]) -> dict[str, str]:
    cells = [cell.strip() for cell in row]
    surplus = " ".join(filter(None, cells[len(names) :]))
    return dict(zip(names, cells, strict=False)) | ({SURPLUS: surplus} if surplus else {})
