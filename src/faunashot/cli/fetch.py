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
    role = set_root(Path("params.yaml"), corpus, target)
    noted = ", and params.yaml says so" if role else ""
    print(f"{corpus} is in {target}{noted}. Use it:")
    print(f"  dvc exp run -S {role}={corpus}" if role else _command(corpus, target))
    print(f"Before `dvc exp run --queue`, which sees only what DVC tracks: dvc add {target}")


def _command(corpus: str, root: Path) -> str:
    return f"  dvc exp run -S corpus={corpus} -S root={root.as_posix()}"


def set_root(params: Path, corpus: str, root: Path) -> str | None:
    """Note in `params` where a corpus lies, if it is the one in use there; comments stay.

    Parameters
    ----------
    params : Path
        A ``params.yaml``, which need not exist.
    corpus : str
        Name of the corpus.
    root : Path
        Its folder.

    Returns
    -------
    str or None
        What the corpus is used as, ``corpus`` or ``source``; None where `params` stays as it is.
    """
    from ruamel.yaml import YAML

    if not params.is_file():
        return None
    yaml = YAML()
    yaml.preserve_quotes = True
    tree = yaml.load(params)
    block = tree.get("corpora", {}).get(corpus, {})
    if "root" in block:
        role, block["root"] = "corpus", root.as_posix()
    else:
        roots = {"corpus": "root", "source": "source_root"}
        used = [r for r, key in roots.items() if tree.get(r) == corpus and key in tree]
        if not used:
            return None
        role = used[0]
        tree[roots[role]] = root.as_posix()
    draft = params.with_name(".params.yaml.draft")
    yaml.dump(tree, draft)
    draft.replace(params)
    return role
