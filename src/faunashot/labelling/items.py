"""What a person is asked to label: recordings, or spans of long ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from faunashot.data.layout import read_table
from faunashot.errors import AnnotationError, AudioError, CorpusError
from faunashot.files import plain_name

COLUMNS = ("file", "start_s", "end_s")
"""Columns of a table of items, as `faunashot suggest` and `faunashot detect` write it."""


@dataclass(frozen=True)
class Item:
    """A span of a recording that is asked for.

    Attributes
    ----------
    file : Path
        The recording.
    start_s, end_s : float
        The span, in seconds from its beginning; all of it where there is no end.
    suggestion : str
        What a model takes it for, or empty.
    """

    file: Path
    start_s: float = 0.0
    end_s: float | None = None
    suggestion: str = ""

    @property
    def key(self) -> tuple[str, float, float | None]:
        """What tells it from others."""
        end_s = None if self.end_s is None else round(self.end_s, 3)
        return plain_name(self.file), round(self.start_s, 3), end_s


def items_of_table(table: Path) -> list[Item]:
    """Items that a table lists, in its order, each span once.

    Parameters
    ----------
    table : Path
        CSV with the columns ``file``, ``start_s`` and ``end_s``, and ``label`` where a model has
        one. A relative file is looked for in the current folder, then in the table's.

    Raises
    ------
    AnnotationError
        It is no such table, or a row of it names no span.
    """
    try:
        rows = read_table(table, COLUMNS)
    except CorpusError as error:
        raise AnnotationError(str(error)) from error
    found: dict[tuple[str, float, float | None], Item] = {}
    for number, row in enumerate(rows, start=2):
        file = Path(row["file"])
        if not file.exists() and (beside := table.parent / file).exists():
            file = beside
        try:
            start_s, end_s = float(row["start_s"] or 0), float(row["end_s"] or "nan")
        except ValueError as error:
            raise AnnotationError(f"{table}, row {number}: its times are no numbers") from error
        if not row["file"] or not start_s >= 0 or end_s <= start_s:
            raise AnnotationError(f"{table}, row {number}: it names no span of a recording")
        item = Item(file, start_s, None if end_s != end_s else end_s, row.get("label", ""))
        found.setdefault(item.key, item)
    return list(found.values())


def items_of_recordings(files: list[Path], *, window_s: float) -> Iterator[Item]:
    """Recordings as items: those of up to `window_s` seconds whole, longer ones span by span.

    One that cannot be read is an item, too: the page says what is wrong with it.
    """
    from faunashot.audio.decode import announced, decode

    for file in files:
        try:
            header = announced(file)
            length_s = decode(file).duration_s if header is None else header.duration_s
        except AudioError:
            yield Item(file)
            continue
        if length_s <= window_s:
            yield Item(file)
            continue
        n = max(1, int(length_s // window_s))
        for at in range(n):
            end_s = length_s if at == n - 1 else (at + 1) * window_s
            yield Item(file, at * window_s, round(end_s, 3))
