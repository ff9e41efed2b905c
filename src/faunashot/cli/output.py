"""Answers as a table for a person, or as JSON for a program."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.wording import DRAWS_ALONE, INTERVAL, interval, is_drawn

MOST_NAMED = 24
"""Characters of what names a row that are kept together in a narrow table."""

JSON = "--json"
AsJson = Annotated[bool, typer.Option(JSON, help="Print one JSON document on standard output.")]

EXIT_CODES = (
    "Exit code: 0 where all recordings are dealt with, 2 where some are bad, each with a line, "
    "1 where nothing is done."
)
"""Of the commands that take recordings, below their help."""


def end_with(*, good: int, bad: int) -> None:
    """End the program as `EXIT_CODES` says, where recordings are bad."""
    if bad:
        raise typer.Exit(2 if good else 1)


BRACKETS = f"In brackets below the {INTERVAL}, where clips were drawn: {DRAWS_ALONE}."


def intervals(row: Mapping[str, Any], name: str) -> str:
    """The interval of a figure, and below it that of the draws alone; empty without a figure."""
    if row[name] is None:
        return ""
    alone = f"\n({interval(row, name, draws=True)})" if is_drawn(row, name) else ""
    return interval(row, name) + alone


def note(text: str) -> None:
    """Print a sentence below a table, broken between words."""
    from rich.console import Console

    Console().print(text, highlight=False, markup=False)


def answer(
    rows: Sequence[Mapping[str, Any]], *, as_json: bool, columns: Sequence[str] | None = None
) -> None:
    """Print rows: all that they have as JSON, what they have of `columns` as a table."""
    if as_json:
        print(json.dumps(list(rows), indent=1, ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = list(columns or dict.fromkeys(name for row in rows for name in row))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for at, name in enumerate(shown):
        # what names a row is not broken, unless it is as long as a path
        longest = max((len(str(row.get(name, ""))) for row in rows), default=0)
        whole = longest if at == 0 and longest <= MOST_NAMED else None
        table.add_column(name, overflow="fold", min_width=whole)
    for row in rows:
        table.add_row(*("" if row.get(name) is None else str(row[name]) for name in shown))
    Console().print(table)


def refuse_other_tables(out: Path | None, *, further: Sequence[str] = ()) -> None:
    """Raise `ParameterError` for a name that is none of CSV, JSON or `further` kinds of file."""
    from faunashot.errors import ParameterError

    endings = [".csv", ".json", *further]
    if out is not None and out.suffix.lower() not in endings:
        *most, last = endings
        raise ParameterError(f"--out {out}: name a file that ends in {', '.join(most)} or {last}")


def write_rows(
    file: Path, rows: Sequence[Mapping[str, Any]], *, without: Sequence[str] = ()
) -> None:
    """Write rows as JSON, or as CSV without the columns that have no place in a cell."""
    from faunashot.files import write_atomically

    if file.suffix.lower() == ".json":
        write_atomically(file, json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
        return
    names = dict.fromkeys(name for row in rows for name in row if name not in without)
    text = io.StringIO()
    table = csv.DictWriter(text, [*names], extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomically(file, text.getvalue())
