"""Tables of text: their encoding, their cells, and the events that they hold."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from faunashot.annotations.columns import NO_EVENT
from faunashot.annotations.gathering import ParsedTable
from faunashot.errors import AnnotationError

HEAD_BYTES = 4096
"""Of a file's beginning, by which its format is recognised."""

Rows = Sequence[Sequence[str]]


def text_of(content: bytes) -> str:
    """Decode a text: UTF-8 or UTF-16 where it says so, else UTF-8, else Windows' Western Europe.

    Raven and spreadsheets on Windows write the latter.
    """
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def first_line(head: bytes) -> str:
    """The first line of a text."""
    return re.split("[\r\n]", text_of(head).lstrip("\r\n"), maxsplit=1)[0]


def rows_of(lines: Sequence[str], *, width: int) -> tuple[list[list[str]], list[int]]:
    """Cells between tabs of the lines below a header, and the number of each line.

    Raises
    ------
    AnnotationError
        A line has more cells than the header.
    """
    rows, numbers = [], []
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if len(cells) < width:
            if not line.strip():
                continue
            cells += [""] * (width - len(cells))  # editors cut off empty cells at the end
        elif len(cells) > width and any(cells[width:]):
            raise AnnotationError(f"line {number}: {len(cells)} cells, but {width} in the header")
        rows.append(cells)
        numbers.append(number)
    return rows, numbers


def events_of(
    rows: Rows, lines: Sequence[int], columns: Mapping[str, int], *, others: Mapping[str, int]
) -> ParsedTable:
    """The events of rows, without those that say that a recording has none.

    Parameters
    ----------
    rows, lines : sequence
        Cells, and the line of each row.
    columns : mapping
        Where our columns stand, see `faunashot.annotations.columns`.
    others : mapping
        Where further ones stand that are kept under their names.

    Raises
    ------
    AnnotationError
        A duration or an offset in a file is no number.
    """
    silent = []
    if any(row[columns["label"]] == NO_EVENT for row in rows):
        pairs = list(zip(rows, lines, strict=True))
        none = [row for row, _ in pairs if row[columns["label"]] == NO_EVENT]
        silent = [row[columns["file"]] for row in none] if "file" in columns else []
        pairs = [pair for pair in pairs if pair[0][columns["label"]] != NO_EVENT]
        rows, lines = [row for row, _ in pairs], [line for _, line in pairs]
    cells = list(zip(*rows, strict=False)) if rows else [()] * (1 + max(columns.values()))
    at = {name: n for name, n in columns.items() if name not in ("view", "selection")}
    found: dict[str, Sequence[object]] = {name: cells[n] for name, n in at.items()}
    found |= {name: cells[n] if rows else () for name, n in others.items()}
    durations, offsets = found.pop("duration_s", None), found.pop("in_file_s", None)
    if "end_s" not in found and durations is not None:
        begins = _floats(cells[columns["start_s"]], lines)
        lasts = _floats(cells[columns["duration_s"]], lines)
        found["end_s"] = [begin + last for begin, last in zip(begins, lasts, strict=True)]
    if offsets is not None and any(map(str.strip, cells[columns["in_file_s"]])):
        found |= _within_file(found, cells[columns["in_file_s"]], lines)
    return ParsedTable(found, lines, silent)


def _within_file(
    found: Mapping[str, Sequence[object]], offsets: Sequence[str], lines: Sequence[int]
) -> dict[str, Sequence[object]]:
    """Times from the beginning of an event's file, where those given run on over several."""
    begins, ends = _floats(found["start_s"], lines), _floats(found["end_s"], lines)
    starts = _floats(offsets, lines)
    lasts = (end - begin for begin, end in zip(begins, ends, strict=True))
    return {
        "start_s": starts,
        "end_s": [start + last for start, last in zip(starts, lasts, strict=True)],
    }


def _floats(cells: Sequence[object], lines: Sequence[int]) -> list[float]:
    values = []
    for cell, line in zip(cells, lines, strict=True):
        try:
            values.append(float(str(cell)))
        except ValueError:
            raise AnnotationError(f"line {line}: {cell!r} is no number") from None
    return values
