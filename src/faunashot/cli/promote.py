"""``faunashot promote``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from faunashot.cli.output import AsJson, answer


def promote(
    challenger: Annotated[
        str,
        typer.Argument(
            help="Experiment, or NAME/VERSION of a model; by default the only challenger.",
            show_default=False,
        ),
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Whatever the comparison on the same clips says.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a model the champion where it is better than the present one on the same clips."""
    from faunashot.tracking import champions, store

    root = store.root()
    verdict = champions.contest(root, *champions.find_version(root, challenger), force=force)
    if as_json:
        answer([asdict(verdict)], as_json=True)
    else:
        print(verdict)
