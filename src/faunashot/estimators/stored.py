"""Heads on disk: by skops, which holds arrays and names of types, and runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faunashot.errors import StoreError
from faunashot.estimators.heads import HEADS

OURS = (
    *("faunashot.estimators.head.Head", "faunashot.estimators.head.HeadOnWindows"),
    *("faunashot.estimators.head.OneVsRest", "faunashot.estimators.unknown.Novelty"),
    *(f"faunashot.estimators.steps.{name}" for name in ("Power", "Steps", "Whiten")),
)
"""Types that hold a head, or stand beside one."""


def save_object(stored: Any, file: Path) -> None:
    """Store a fitted object without pickle."""
    import skops.io  # imports all of scikit-learn

    skops.io.dump(stored, file)


def load_object(file: Path) -> Any:
    """Load an object that `save_object` stored.

    Raises
    ------
    StoreError
        The file is none, or holds types other than ours, registered heads, what those declare,
        and what skops trusts by itself.
    """
    import skops.io

    try:
        types = skops.io.get_untrusted_types(file=file)
        trusted = _trusted(types)
        strange = sorted(set(types) - set(trusted))
        if strange:
            raise StoreError(f"{file} holds types that are not trusted: {', '.join(strange)}")
        return skops.io.load(file, trusted=trusted)
    except StoreError:
        raise
    except Exception as error:  # whatever zipfile and skops raise for a file that is not a head
        raise StoreError(f"{file} is not a stored head ({type(error).__name__})") from error


def _trusted(types: list[str]) -> list[str]:
    trusted = list(OURS)
    for dotted in types:
        name = HEADS.name_of(dotted)
        if name is not None:
            trusted += [dotted, *HEADS[name].stored_types]
    return trusted
