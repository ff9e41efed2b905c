"""Hashes that say whether two runs are the same, and names and values that MLflow takes."""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path

from faunashot.errors import TrackingError
from faunashot.files import sha256_of

_FORBIDDEN = re.compile(r"[^\w/\-. :]")
_MAX_VALUE = 500


def digest(value: object) -> str:
    """Hash a value made of mappings, sequences and scalars; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def experiment_key(*, experiment: str, baseline: str, params: Mapping[str, object]) -> str:
    """Key of an experiment's parent run.

    A DVC experiment is its name on its baseline commit. Without a name (``dvc repro``) it is its
    parameters, so that the same parameters are one experiment whatever has been committed since.
    """
    if experiment:
        return digest(["experiment", experiment, baseline])
    return digest(["workspace", flatten(params)])


def stage_key(stage: str, *, params: Mapping[str, object], inputs: Iterable[Path]) -> str:
    """Key of a stage's run: what it was told and what it read."""
    return digest([stage, flatten(params), {path.as_posix(): hash_path(path) for path in inputs}])


def hash_path(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of all files in a folder.

    Raises
    ------
    TrackingError
        There is nothing at `path`.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return digest({file.relative_to(path).as_posix(): hash_path(file) for file in files})
    try:
        return sha256_of(path)
    except FileNotFoundError:
        raise TrackingError(f"{path}: no such input of the stage") from None


def flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Join nested keys by dots; names hold only characters that MLflow takes."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, name))
        else:
            flat[clean_name(name)] = value
    return flat


def as_params(values: Mapping[str, object]) -> dict[str, str]:
    """Flatten to strings of at most 500 characters; lists become JSON."""
    return {
        name: (
            json.dumps(value, default=str) if isinstance(value, list | tuple | dict) else str(value)
        )[:_MAX_VALUE]
        for name, value in flatten(values).items()
    }


def as_metrics(values: Mapping[str, object]) -> dict[str, float]:
    """Flatten and keep the finite numbers; None, NaN, booleans, text and lists are left out."""
    return {
        name: float(value)
        for name, value in flatten(values).items()
        if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    }


def clean_name(name: str) -> str:
    """Replace the characters that MLflow takes in no name of a parameter, metric or tag."""
    name = _FORBIDDEN.sub("_", name)
    return name if posixpath.normpath(name) == name else name.replace("/", "_")
