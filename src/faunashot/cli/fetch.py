"""``faunashot fetch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    corpus: Annotated[str, typer.Argument(help="Name of a corpus, see `faunashot corpora`.")],
    root: Annotated[Path | None, typer.Option(help="Where to; data/CORPUS if not given.")] = None,
) -> None:
    """Bring a corpus and say how to use it."""
    from faunashot.data.corpora import create

    target = root or Path("data") / corpus
    reader = create(corpus)
    print(f"{corpus}: {reader.licence}\n{reader.citation}")
    reader.fetch(target)
    print(f"{corpus} is in {target}. Use it:")
    print(f"  dvc exp run -S corpus={corpus} -S root={target}")
    print(f"Before `dvc exp run --queue`, which sees only what DVC tracks: dvc add {target}")
