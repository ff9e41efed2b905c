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
    set_root(Path("params.yaml"), corpus, target)
    print(f"{corpus} is in {target}, and params.yaml says so. Use it:")
    print(f"  dvc exp run -S corpus={corpus}")
    print(f"Before `dvc exp run --queue`, which sees only what DVC tracks: dvc add {target}")


def set_root(params: Path, corpus: str, root: Path) -> None:
    """Set ``corpora.<corpus>.root`` in `params`, where it has such a block; comments stay."""
    from ruamel.yaml import YAML

    if not params.is_file():
        return
    yaml = YAML()
    yaml.preserve_quotes = True
    tree = yaml.load(params)
    if corpus in tree.get("corpora", {}):
        tree["corpora"][corpus]["root"] = root.as_posix()
        draft = params.with_name(".params.yaml.draft")
        yaml.dump(tree, draft)
        draft.replace(params)
