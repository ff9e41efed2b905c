"""``faunashot synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faunashot.cli.output import note


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")],
    clips: Annotated[int, typer.Option(min=20, help="How many clips.")] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    multi_label: Annotated[
        bool,
        typer.Option("--multi-label", help="Several animals a clip, in labels.csv and audio/."),
    ] = False,
) -> None:
    """Write clips.csv and audio/ under a new folder."""
    from faunashot.data.corpora.demo import generate, generate_soundscapes
    from faunashot.errors import ParameterError

    if out.exists():
        raise ParameterError(f"{out} exists already; name a folder that does not")
    if multi_label:
        generate_soundscapes(out, clips, seed=seed)
        note(
            f"Next: dvc exp run -S corpus=folder -S root={out} -S +corpora.folder.multi_label=true"
        )
    else:
        generate(out, clips, seed=seed)
    print(f"{clips} synthetic clips in {out}")
