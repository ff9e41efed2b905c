"""Heads on disk: by skops, which holds arrays and names of types, and runs nothing."""

from __future__ import annotations

import io
import re
import zipfile
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

_SCHEMA = "schema.json"
_ADDRESS = re.compile(r'(?<="__id__": )\d+|(?<="file": ")\d+')


def save_object(stored: Any, file: Path) -> None:
    """Store a fitted object without pickle; equal objects give equal bytes, as DVC hashes them.

    skops names arrays by their address in memory, and dates them: here they are numbered in the
    order in which they occur, without a date.
    """
    import skops.io  # imports all of scikit-learn

    dumped = io.BytesIO()
    skops.io.dump(stored, dumped)
    with zipfile.ZipFile(dumped) as found, zipfile.ZipFile(file, "w") as made:
        schema = found.read(_SCHEMA).decode()
        occurring = dict.fromkeys(_ADDRESS.findall(schema))
        number = {address: n for n, address in enumerate(occurring)}
        text = _ADDRESS.sub(lambda address: str(number[address[0]]), schema)
        made.writestr(zipfile.ZipInfo(_SCHEMA), text)
        arrays = [Path(name) for name in found.namelist() if name != _SCHEMA]
        for array in sorted(arrays, key=lambda array: number[array.stem]):
            name = f"{number[array.stem]}{array.suffix}"
            made.writestr(zipfile.ZipInfo(name), found.read(array.name))


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
