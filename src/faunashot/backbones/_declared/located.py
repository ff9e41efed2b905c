"""Where the files of a declared network lie: beside its declaration, in a cache, or at a hub."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
from pathlib import Path

from faunashot.backbones._audioset import class_names
from faunashot.backbones._declared.declaration import FILE_RUNTIMES, Classes, Declaration, Weights
from faunashot.errors import ParameterError, WeightsError
from faunashot.files import sha256_of
from faunashot.runtimes import hub
from faunashot.runtimes.graph import not_installed
from faunashot.runtimes.transformers_graph import FILES, snapshot
from faunashot.weights.files import WeightsFile, file_here, locate, own_folder

CONFIG = "config.json"
MODULES = {"onnx": "onnxruntime", "transformers": "transformers"}
"""Modules of the runtimes that come with an extra of their own."""

EXTRAS = {"onnx": "onnx", "transformers": "torch"}


def require_runtime(runtime: str) -> None:
    """Raise `WeightsError` where a runtime is not installed; none is imported."""
    if runtime in MODULES and importlib.util.find_spec(MODULES[runtime]) is None:
        raise not_installed(MODULES[runtime], EXTRAS[runtime])


def model_here(declaration: Declaration, beside: Path) -> Path | None:
    """File or folder of the network; None where its first use brings it, and nothing is downloaded.

    Raises
    ------
    WeightsError
        It is not here and will not come by itself, or its runtime is not installed.
    """
    require_runtime(declaration.runtime)
    weights = declaration.weights
    if declaration.runtime in FILE_RUNTIMES:
        found = _beside(weights, beside) or file_here(_published(weights))
        return locate(_published(weights)) if found is None and not weights.url else found
    if (folder := _folder(declaration, beside)) is not None:
        return folder
    if declaration.runtime == "transformers":
        return snapshot(weights.handle, revision=weights.revision, download=False)
    return (
        hub.cached(weights.handle) if _is_url(weights.handle) else hub.model_folder(weights.handle)
    )


def model_of(declaration: Declaration, beside: Path, *, weights: str = "") -> Path:
    """File or folder of the network, downloaded where it is not here.

    Parameters
    ----------
    declaration : Declaration
    beside : Path
        Folder of the declaration.
    weights : str
        A file or folder in place of what it names.

    Raises
    ------
    WeightsError
        It is not there, cannot be had, or has another checksum.
    """
    require_runtime(declaration.runtime)
    if weights:
        if not Path(weights).exists():
            raise WeightsError(f"weights: {weights} is not there")
        return Path(weights)
    of = declaration.weights
    if declaration.runtime in FILE_RUNTIMES:
        return _verified(_beside(of, beside) or locate(_published(of)), of.checksum)
    if (folder := _folder(declaration, beside)) is not None:
        return folder
    if declaration.runtime == "transformers":
        found = snapshot(of.handle, revision=of.revision, download=True)
        assert found is not None
        return found
    return hub.model_folder(of.handle)


def hash_of(model: Path) -> str:
    """SHA-256 of what a network is read from.

    Of a file, those beside it whose names begin with its own are part of it: ONNX keeps large
    weights so.
    """
    if model.is_file():
        files = sorted(model.parent.glob(f"{model.name}*"))
    elif (model / CONFIG).is_file():
        files = sorted({file for pattern in FILES for file in model.glob(pattern)})
    else:
        files = [model / hub.MODEL, *sorted((model / "variables").glob("*"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(sha256_of(file).encode())
    return digest.hexdigest()


def labels_of(classes: Classes, beside: Path, model: Path) -> tuple[str, ...]:
    """Names of the classes, in the order of the outputs.

    Raises
    ------
    ParameterError
        There is no such list, or it is of another length.
    WeightsError
        It cannot be had.
    """
    names = _listed(classes, beside, model)
    if len(names) != classes.dim:
        raise ParameterError(
            f"classes.labels: {classes.labels} lists {len(names)} names, and classes.dim is "
            f"{classes.dim}"
        )
    return names


def _listed(classes: Classes, beside: Path, model: Path) -> tuple[str, ...]:
    if classes.labels == "audioset":
        return class_names()
    if classes.labels == "config":
        try:
            named = json.loads((model / CONFIG).read_text("utf-8"))["id2label"]
        except (OSError, ValueError, KeyError) as error:
            raise ParameterError(f"classes.labels: {model.name} names no classes") from error
        return tuple(named[i] for i in sorted(named, key=int))
    lying = [folder / classes.labels for folder in (beside, model)]
    published = WeightsFile(classes.labels, classes.url, classes.checksum)
    file = next((f for f in lying if f.is_file()), None) or locate(published)
    lines = _verified(file, classes.checksum).read_text("utf-8").splitlines()
    if not classes.column:
        return tuple(line.strip() for line in lines[classes.skip_lines :] if line.strip())
    rows = list(csv.DictReader(lines))
    if rows and classes.column not in rows[0]:
        raise ParameterError.unknown("classes.column", classes.column, rows[0])
    return tuple(row[classes.column] for row in rows)


def _published(weights: Weights) -> WeightsFile:
    return WeightsFile(weights.file, weights.url, weights.checksum)


def _beside(weights: Weights, beside: Path) -> Path | None:
    """The file beside the declaration."""
    file = beside / weights.file
    if not file.is_file():
        return None
    if file.stat().st_size == 0:
        raise WeightsError(f"{file} is empty")
    return file


def _folder(declaration: Declaration, beside: Path) -> Path | None:
    """The folder that a handle names: beside the declaration, or in the user's folder."""
    handle = declaration.weights.handle
    if _is_url(handle):
        return None
    file = CONFIG if declaration.runtime == "transformers" else hub.MODEL
    places = filter(None, (beside, own_folder()))
    return next((at / handle for at in places if (at / handle / file).is_file()), None)


def _is_url(handle: str) -> bool:
    return handle.startswith(("https://", "http://"))


def _verified(file: Path, checksum: str | None) -> Path:
    if checksum is None:
        return file
    kind, _, expected = checksum.partition(":")
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, kind).hexdigest()
    if found != expected:
        raise WeightsError(
            f"{file} has not the checksum that is declared, {checksum}, but {kind}:{found}"
        )
    return file
