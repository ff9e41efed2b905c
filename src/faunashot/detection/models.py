"""The models that detect, under names that tables tell them apart by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faunashot.errors import ParameterError
from faunashot.files import sha256_of
from faunashot.recogniser import Recogniser

_REGISTERED = re.compile(r"models:/(?P<name>[^@/]+)[@/].+")


@dataclass(frozen=True)
class Model:
    """A trained system that detects.

    Attributes
    ----------
    name : str
        In tables.
    address : str
        As it was named on the command line, see `faunashot.load_model`.
    sha256 : str
        Of all its files, its thresholds among them.
    recogniser : Recogniser
        What scores windows.
    """

    name: str
    address: str
    sha256: str
    recogniser: Recogniser

    @classmethod
    def load(cls, folder: Path, *, name: str, address: str) -> Model:
        """Load what lies in a folder.

        Raises
        ------
        StoreError
            The folder holds no model, or one of another format.
        ParameterError
            Its scores are of whole clips that were shifted, which windows of a night are not.
        """
        recogniser = Recogniser.load(folder)
        if recogniser.record.shifts:
            raise ParameterError(
                f"--model {address}: it averages what it says of shifted copies of a whole clip "
                "(augment.tta_shifts), which a recording of hours has not: train it without"
            )
        return cls(name, address, _hash(folder), recogniser)

    def facts(self) -> dict[str, Any]:
        """What a table has to say of it, JSON-ready, but for the name."""
        record = self.recogniser.record
        return {
            "address": self.address,
            "sha256": self.sha256,
            "system": record.system.get("name", ""),
            "estimator": record.estimator,
            "corpus": record.corpus,
            "protocol": record.protocol,
            "classes": record.classes,
            "multi_label": record.multi_label,
            "temperature": None if record.temperature is None else record.temperature.value,
            "thresholds": {name: of.model_dump() for name, of in record.thresholds.items()},
            "unknown": None if record.unknown is None else record.unknown.model_dump(),
            "backbones": [
                backbone.model_dump(
                    include={"name", "layer", "version", "weights_hash", "licence", "options"}
                )
                for backbone in record.backbones
            ],
        }


def named(addresses: Sequence[str]) -> dict[str, str]:
    """Names of models, each with its address, as ``--model`` takes them.

    A model is named after its folder, or as it is registered; ``NAME=ADDRESS`` names it.

    Raises
    ------
    ParameterError
        There is none, or two are of one name.

    Examples
    --------
    >>> named(["models/birdnet-rectified", "models:/faunashot-demo@champion", "old=models/2024"])
    ... # doctest: +NORMALIZE_WHITESPACE
    {'birdnet-rectified': 'models/birdnet-rectified',
     'faunashot-demo': 'models:/faunashot-demo@champion', 'old': 'models/2024'}
    """
    if not addresses:
        raise ParameterError("--model: name the folder of a model, or models:/NAME@champion")
    found: dict[str, str] = {}
    for written in addresses:
        name, _, address = written.rpartition("=")
        if not name or Path(written).exists():
            address, registered = written, _REGISTERED.fullmatch(written)
            name = registered["name"] if registered else Path(written).absolute().name
        if name in found:
            raise ParameterError(
                f"--model: {found[name]} and {address} are both called {name}, and tables could "
                f"not tell them apart: give one a name, as --model other={address}"
            )
        found[name] = address
    return found


def _hash(folder: Path) -> str:
    """SHA-256 of the names and contents of all files of a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    lines = [f"{file.relative_to(folder).as_posix()} {sha256_of(file)}" for file in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
