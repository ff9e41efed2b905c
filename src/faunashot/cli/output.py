"""Answers as a table for a person, or as JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from faunashot.wording import DRAWS_ALONE, INTERVAL, interval, is_drawn

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


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
    """Print rows of equal keys: all of them as JSON, those of `columns` as a table."""
    if as_json:
        print(json.dumps(list(rows), indent=1, ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    shown = list(columns or (rows[0] if rows else []))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in shown:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in shown))
    Console().print(table)
