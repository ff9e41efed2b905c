"""``faunashot backbones``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faunashot.cli.output import AsJson, answer, note

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def backbones(context: typer.Context, as_json: AsJson = False) -> None:
    """Print the registered backbones; no weights are loaded."""
    if context.invoked_subcommand is not None:
        return
    from dataclasses import asdict

    from faunashot.backbones.base import BACKBONES

    rows = [
        {**asdict(kind.card), "layers": dict(kind.layers)} for kind in BACKBONES.classes().values()
    ]
    if not as_json:
        for row in rows:
            row["layers"] = ", ".join(f"{name} ({dim})" for name, dim in row["layers"].items())
    answer(rows, as_json=as_json, columns=["name", "version", "layers", "licence"])


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Of a backbone that is declared, in YAML.")],
    as_json: AsJson = False,
) -> None:
    """Load a declared backbone, run it on noise and on silence, and say what it gives.

    What is wrong with it is said in one line. See docs/BACKBONES.md.
    """
    from faunashot.backbones._declared.check import check

    found = check(file)
    if as_json:
        answer([{**found.facts, "remarks": found.remarks}], as_json=True)
        return
    answer([{"": name, file.name: what} for name, what in found.facts.items()], as_json=False)
    for remark in found.remarks:
        note(f"{file.name}: {remark}")
