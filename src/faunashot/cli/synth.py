"""``faunashot synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")],
    clips: Annotated[int, typer.Option(min=20, help="How many clips.")] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 42,
) -> None:
    """Write clips.csv and audio/ under a new folder."""
    from faunashot.data.corpora.demo import generate
    from faunashot.errors import ParameterError

    if out.exists():
        raise ParameterError(f"{out} exists already; name a folder that does not")
    generate(out, clips, seed=seed)
    print(f"{clips} synthetic clips in {out}")
