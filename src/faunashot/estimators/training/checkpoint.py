"""Arrays on disk without pickle, and the state of a training that was cut off."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import StoreError

Arrays = dict[str, npt.NDArray[Any]]

ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class State:
    """A training after a whole epoch.

    Attributes
    ----------
    network, start, best : dict of str to ndarray
        Variables by name: now, at the start, and what is kept so far.
    optimizer : list of ndarray
        Its variables in their order.
    history : list of dict
        Facts of each epoch.
    is_over : bool
        Whether it was to be stopped then.
    """

    network: Arrays
    start: Arrays
    best: Arrays
    optimizer: list[npt.NDArray[Any]]
    history: list[dict[str, Any]]
    is_over: bool


class Checkpoint:
    """A file with the state of one training, which names what the training is made of.

    Parameters
    ----------
    file : Path, optional
        None for a training that is not to be resumed.
    made_of : mapping of str to str
        Hashes of its parts by name; another training's file is refused.
    """

    def __init__(self, file: Path | None, made_of: Mapping[str, str]) -> None:
        self.file = file
        self.made_of = dict(made_of)

    def read(self) -> State | None:
        """The state, or None where there is no file yet.

        Raises
        ------
        StoreError
            The file is damaged, or another training's.
        """
        if self.file is None or not self.file.exists():
            return None
        arrays = read_arrays(self.file)
        try:
            facts = json.loads(str(arrays["facts"]))
            other = [name for name, own in self.made_of.items() if facts["made_of"][name] != own]
            if other:
                raise StoreError(
                    f"{self.file} was written with other {' and '.join(other)}: "
                    "delete it to start anew"
                )
            optimizer = _part(arrays, "optimizer")
            return State(
                _part(arrays, "network"),
                _part(arrays, "start"),
                _part(arrays, "best"),
                [optimizer[str(i)] for i in range(len(optimizer))],
                facts["history"],
                facts["is_over"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{self.file} is not a checkpoint: delete it ({error})") from error

    def write(self, state: State) -> None:
        """Write the state; the file is there as a whole or not at all."""
        if self.file is None:
            return
        facts = json.dumps(
            {"made_of": self.made_of, "history": state.history, "is_over": state.is_over}
        )
        parts = {
            "network": state.network,
            "start": state.start,
            "best": state.best,
            "optimizer": {str(i): value for i, value in enumerate(state.optimizer)},
        }
        named = {f"{p}/{name}": a for p, arrays in parts.items() for name, a in arrays.items()}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(self.file, {"facts": np.asarray(facts), **named})


def write_arrays(file: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays by name; the file is there as a whole or not at all."""
    draft = file.with_name(f".{file.name}.draft")  # one name: what a kill left is written over
    try:
        with draft.open("wb") as opened:
            np.savez(opened, allow_pickle=False, **arrays)
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def read_arrays(file: Path) -> Arrays:
    """Read what `write_arrays` wrote.

    Raises
    ------
    StoreError
        The file is not there, is torn, or holds pickled objects.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise StoreError(f"{file} holds no arrays that can be read ({error})") from error


def array_hash(arrays: Iterable[npt.ArrayLike | None]) -> str:
    """SHA-256 of arrays, read in rows so that a memory map stays one."""
    digest = hashlib.sha256()
    for array in map(np.asanyarray, arrays):
        digest.update(f"{array.dtype} {array.shape}".encode())
        if array.dtype == object:
            digest.update(repr(array.tolist()).encode())
            continue
        rows = array.reshape(1) if array.ndim == 0 else array
        for at in range(0, len(rows), ROWS_AT_ONCE):
            digest.update(np.ascontiguousarray(rows[at : at + ROWS_AT_ONCE]).tobytes())
    return digest.hexdigest()


def _part(arrays: Arrays, part: str) -> Arrays:
    prefix = f"{part}/"
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
