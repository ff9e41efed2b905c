"""Tensors of a file of weights, read without running any code that it may hold."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import WeightsError
from faunashot.files import cache_folder, sha256_of, write_atomically

Tensors = dict[str, npt.NDArray[Any]]

TORCH = (".pt", ".pth", ".bin", ".ckpt")
"""Endings of what PyTorch writes."""


def read_tensors(file: Path) -> Tensors:
    """Tensors by name; half-precision ones become float32.

    Parameters
    ----------
    file : Path
        ``.safetensors``, ``.npz``, or a checkpoint of PyTorch, which is converted once and kept in
        the cache under its hash.

    Raises
    ------
    WeightsError
        It is of another kind, torn, or holds more than tensors.
    """
    if file.suffix in TORCH:
        return _safetensors(_from_torch(file), named=file)
    if file.suffix == ".safetensors":
        return _safetensors(file, named=file)
    if file.suffix == ".npz":
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return {name: _full(array) for name, array in arrays.items()}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise _unreadable(file, error) from error
    raise WeightsError(f"{file}: give a file that ends in .safetensors, .npz, {', '.join(TORCH)}")


def _safetensors(file: Path, *, named: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return {name: _full(array) for name, array in load_file(file).items()}
    except (OSError, SafetensorError, ValueError) as error:
        raise _unreadable(named, error) from error


def _full(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _from_torch(file: Path) -> Path:
    """The safetensors file that holds the tensors of a checkpoint of PyTorch."""
    kept = cache_folder() / "weights" / f"{sha256_of(file)}.safetensors"
    if kept.is_file():
        return kept
    try:
        import torch
    except ImportError as error:
        raise WeightsError(
            f"{file} is read by PyTorch, once: pip install 'faunashot[torch]'"
        ) from error
    from safetensors.numpy import save

    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of a torn file, of pickle, and of code that was refused
        raise _unreadable(file, error) from error
    tensors = {
        name: np.ascontiguousarray((value.float() if value.is_floating_point() else value).numpy())
        for name, value in _flat(loaded)
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise WeightsError(f"{file} holds no tensors")
    write_atomically(kept, save(tensors))
    return kept


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


def _unreadable(file: Path, error: Exception) -> WeightsError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return WeightsError(f"{file} cannot be read as weights: {reason}")
