"""Tensors of a file of weights, read without running any code that it may hold."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import WeightsError
from faunashot.files import cache_folder, sha256_of, write_atomically
from faunashot.weights.hdf5 import keras_layers

Tensors = dict[str, npt.NDArray[Any]]

TORCH = (".pt", ".pth", ".bin", ".ckpt")
"""Endings of what PyTorch writes."""

REFUSED = re.compile(r"GLOBAL (\S+) (?:was not an allowed|whose module)")
"""How PyTorch says what it has not run."""
PICKLED = "allow_pickle=False"
"""What NumPy says of objects that it has not unpickled, among others."""

HDF5 = (".h5", ".hdf5")
"""Endings of what Keras 2 writes."""


def read_tensors(file: Path) -> Tensors:
    """Tensors by name; half-precision ones become float32.

    Parameters
    ----------
    file : Path
        ``.safetensors``, ``.npz``, ``.h5`` of Keras 2, or a checkpoint of PyTorch, which is
        converted once and kept in the cache under its hash.

    Raises
    ------
    WeightsError
        It is of another kind, torn, or holds more than tensors.
    """
    if file.suffix in TORCH:
        return _converted(file)
    if file.suffix == ".safetensors":
        return _safetensors(file)
    if file.suffix == ".npz":
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: _full(array) for name, array in arrays.items()}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            if PICKLED in str(error):
                raise WeightsError(
                    f"{file} holds Python objects, which could run code when they are read, and "
                    "is refused: give a file of arrays alone"
                ) from error
            raise _unreadable(file, error) from error
    if file.suffix in HDF5:
        try:
            return {name: _full(array) for name, array in keras_layers(file).items()}
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise _unreadable(file, error) from error
    endings = ", ".join((".safetensors", ".npz", *HDF5, *TORCH))
    raise WeightsError(f"{file}: give a file that ends in {endings}")


def _safetensors(file: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: _full(array) for name, array in load_file(file).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise _unreadable(file, error) from error


def tensor_among(files: Iterable[Path], name: str) -> npt.NDArray[Any] | None:
    """One tensor of a model in several files of safetensors, None where it is in none of them.

    Raises
    ------
    WeightsError
        A file is torn.
    """
    from safetensors import SafetensorError, safe_open

    for file in files:
        try:
            with safe_open(file, framework="numpy") as tensors:
                names = list(tensors.keys())
                if name in names:
                    return _full(tensors.get_tensor(name))
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            raise _unreadable(file, error) from error
    return None


def _full(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _converted(file: Path) -> Tensors:
    """Tensors of a checkpoint of PyTorch, or what was kept of them."""
    kept = cache_folder() / "weights" / f"{sha256_of(file)}.safetensors"
    with suppress(WeightsError):  # it is not there, or torn
        return _safetensors(kept)
    from safetensors.numpy import save

    tensors = _from_torch(file)
    with suppress(OSError):  # a cache that cannot be written: convert each time
        write_atomically(kept, save(tensors))
    return tensors


def _from_torch(file: Path) -> Tensors:
    try:
        import torch
    except ImportError as error:
        raise WeightsError(
            f"{file} is read by PyTorch, once: pip install 'faunashot[torch]'"
        ) from error
    try:
        with torch.serialization.safe_globals(_numpy_arrays()):
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of a torn file, of pickle, and of code that was refused
        reason = error.__context__ or error  # PyTorch's own says how to load it all the same
        if code := REFUSED.search(str(reason)):
            raise WeightsError(
                f"{file} would run {code[1]} when it is loaded, and is refused: give a file of "
                "tensors alone"
            ) from error
        raise _unreadable(file, reason) from error
    tensors = {
        name: (value.float() if value.is_floating_point() else value).contiguous().numpy()
        for name, value in _flat(loaded)
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise WeightsError(f"{file} holds no tensors")
    return tensors


def _numpy_arrays() -> list[Any]:
    """What makes arrays of NumPy out of bytes: checkpoints keep such of their training beside."""
    from numpy._core import multiarray

    made_by = [
        (getattr(multiarray, name), f"numpy.{core}.multiarray.{name}")
        for name in ("_reconstruct", "scalar")
        for core in ("core", "_core")  # before NumPy 2, and since
    ]
    kinds = {type(np.dtype(kind)) for kind in np.typecodes["AllInteger"] + np.typecodes["Float"]}
    return [*made_by, np.ndarray, np.dtype, *kinds]


def _flat(loaded: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested mappings; what wraps the state of a whole model is left out of the names."""
    if not isinstance(loaded, Mapping):
        return [(prefix, loaded)]
    for wrapper in ("model", "state_dict", "model_state_dict"):
        if not prefix and isinstance(loaded.get(wrapper), Mapping):
            return _flat(loaded[wrapper])
    found = []
    for name, value in loaded.items():
        found += _flat(value, f"{prefix}.{name}" if prefix else str(name))
    return found


def _unreadable(file: Path, error: BaseException) -> WeightsError:
    said = " ".join(f"{type(error).__name__} {error}".split())[:200]
    empty = file.is_file() and not file.stat().st_size
    return WeightsError(f"{file} cannot be read as weights: {'it is empty' if empty else said}")
