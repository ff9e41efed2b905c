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
    from faunashot.corpora.registry import create

    target = root or Path("data") / corpus
    reader = create(corpus)
    print(f"{corpus}: {reader.licence}\n{reader.citation}")
    reader.fetch(target)
    print(
        f"{corpus} is in {target}. Use it:\n  dvc exp run -S corpus={corpus} "
        f"-S corpora.{corpus}.root={target.resolve()}"
    )
