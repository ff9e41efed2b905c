"""HDF5 files of weights as Keras 2 wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

Layers = Mapping[str, Mapping[str, np.ndarray]]


def write_keras2(file: Path, layers: Layers, *, whole_model: bool = False) -> Path:
    """A file of layers, each by name with its tensors; a whole model is described beside them."""
    with h5py.File(file, "w") as opened:
        root = opened
        if whole_model:
            opened.attrs["model_config"] = b'{"class_name": "Lambda", "config": "4wEAAAA="}'
            root = opened.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in layers]
        root.attrs["backend"] = b"tensorflow"
        for name, tensors in layers.items():
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{of}:0".encode() for of in tensors]
            for of, array in tensors.items():
                group.create_dataset(f"{name}/{of}:0", data=array)
    return file
