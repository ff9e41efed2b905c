"""Where declarations lie: beside this package, in the user's folder, and in the project's."""

from __future__ import annotations

import os
import re
from functools import cache, partial
from pathlib import Path

from faunashot.backbones._declared.model import DeclaredBackbone, backbone_of
from faunashot.errors import ParameterError
from faunashot.registry import Entry

OURS = Path(__file__).resolve().parents[1] / "declared"
OF_USER = "FAUNASHOT_BACKBONES"
"""Environment variable: a folder of the user's declarations."""

OF_PROJECT = Path("backbones")
ENDINGS = (".yaml", ".yml")
NAME = re.compile(r"[a-z][a-z0-9_]*")


def declared() -> dict[str, list[Entry]]:
    """Entries of the registry by name; no file is read.

    A file is called after the backbone that it declares.
    """
    found: dict[str, list[Entry]] = {}
    for folder in _folders():
        giver = "faunashot" if folder == OURS else ""
        for file in sorted(folder.iterdir()):
            if file.suffix in ENDINGS and file.is_file():
                entry = Entry(giver or str(file), partial(declared_in, file))
                found.setdefault(file.stem, []).append(entry)
    return found


def declared_in(file: Path) -> type[DeclaredBackbone]:
    """The backbone that a file declares: the same class until the file changes.

    Raises
    ------
    ParameterError
        The file's name is none of a backbone, it cannot be read, or something in it is wrong.
    """
    if not NAME.fullmatch(file.stem):
        raise ParameterError(
            f"{file}: call it after the backbone, small letters, digits and underscores"
        )
    try:
        found = file.resolve().stat()
    except OSError as error:
        raise ParameterError(f"{file}: {error.strerror or error}") from error
    return _made(file.resolve(), found.st_mtime_ns, found.st_size)


@cache
def _made(file: Path, changed_ns: int, size: int) -> type[DeclaredBackbone]:
    return backbone_of(file)


def _folders() -> list[Path]:
    """Folders that are there, each once."""
    named = os.environ.get(OF_USER)
    places = [OURS, *([Path(named).expanduser()] if named else []), OF_PROJECT]
    there: dict[Path, Path] = {}
    for place in places:
        if place.is_dir():
            there.setdefault(place.resolve(), place)
    return [*there.values()]
