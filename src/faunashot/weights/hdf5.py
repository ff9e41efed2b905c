"""Tensors of the HDF5 files in which Keras 2 kept weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def keras_layers(file: Path) -> dict[str, npt.NDArray[Any]]:
    """Tensors of a file that Keras 2 wrote, of the weights alone or of a whole model.

    Only arrays are read: neither the description of the model, nor any code of a lambda in it.

    Parameters
    ----------
    file : Path
        The HDF5 file.

    Returns
    -------
    dict
        By ``layer/kernel`` and the like, in the order of the layers.

    Raises
    ------
    OSError, RuntimeError, KeyError
        It is torn, or no HDF5 file.
    ValueError
        It holds something else.
    """
    import h5py

    found: dict[str, npt.NDArray[Any]] = {}
    with h5py.File(file, "r") as opened:
        root = opened.get("model_weights", opened)
        for layer in _names(root, "layer_names"):
            for name in _names(root[layer], "weight_names"):
                own = f"{layer}/{name.rpartition('/')[2].partition(':')[0]}"
                if own in found:
                    raise ValueError(f"it has several tensors {own}")
                found[own] = _array(root[layer], name, of=opened)
    return found


def by_position(
    tensors: dict[str, npt.NDArray[Any]], layers: Sequence[str]
) -> dict[str, npt.NDArray[Any]]:
    """Tensors by the names that layers have here: Keras 2 numbers them anew in each process.

    Where the file has the same names, or another number of layers, they stay as they are.

    Parameters
    ----------
    tensors : dict
        By ``layer/kernel`` and the like, in the order of the layers.
    layers : sequence of str
        Names of those that hold tensors, in the same order.
    """
    there = list(dict.fromkeys(name.partition("/")[0] for name in tensors))
    if len(there) != len(layers) or set(there) == set(layers):
        return tensors
    ours = dict(zip(there, layers, strict=True))
    parts = {name: name.partition("/") for name in tensors}
    return {f"{ours[parts[name][0]]}/{parts[name][2]}": a for name, a in tensors.items()}


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names; one too long for an attribute is in several, numbered from 0."""
    whole = attribute in group.attrs
    parts = [attribute] if whole else [n for n in group.attrs if n.startswith(attribute)]
    if not parts:
        raise ValueError(f"{group.name} has no {attribute}, which Keras 2 writes")
    parts.sort(key=lambda name: int(name.removeprefix(attribute) or 0))
    return [
        name.decode() if isinstance(name, bytes) else str(name)
        for part in parts
        for name in group.attrs[part]
    ]


def _array(group: Any, name: str, *, of: Any) -> npt.NDArray[Any]:
    """An array that lies in the file itself, not in one that it refers to."""
    import h5py

    found = group[name]
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "fiu":
        raise ValueError(f"{name} is no array of numbers")
    if found.file != of or found.external or found.is_virtual:
        raise ValueError(f"{name} lies in another file")
    return np.asarray(found)
