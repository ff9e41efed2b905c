"""Files of weights that are drawn, for networks whose published ones are not here."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file

from faunashot.backbones import _conversion
from faunashot.backbones._declared.model import DeclaredBackbone
from faunashot.backbones._keras import KerasBackbone
from faunashot.backbones.base import BACKBONES
from faunashot.errors import WeightsError
from faunashot.runtimes.keras_network import settle_tensorflow

if TYPE_CHECKING:
    import pytest


@cache
def is_keras(name: str) -> bool:
    return issubclass(BACKBONES[name], KerasBackbone)


LIKE = {
    **dict.fromkeys(("whisper_base", "whisper_small", "whisper_tiny_en"), "whisper_tiny"),
    **dict.fromkeys(("panns_cnn14", "panns_cnn14_16k", "panns_resnet38"), "panns_wavegram"),
    **dict.fromkeys(("openl3_linear", "openl3_mel256"), "openl3_mel128"),
    "audioclip": "esresnext_fbsp",
    "resnet50_linear": "resnet50_mel",
}
"""Large networks that are built of the same parts as another, which is tried in their place. They
are held against their authors' code all the same, see the tests of parity."""


def tried_layers(name: str) -> list[str]:
    """Layers of a backbone that are tried: of many that are made alike, the first two."""
    return [*BACKBONES[name].layers][:2]


@cache
def is_declared(name: str) -> bool:
    return issubclass(BACKBONES[name], DeclaredBackbone)


@cache
def is_run(name: str) -> bool:
    """Whether it can be run here: one that is declared has no made-up weights."""
    if not is_declared(name):
        return True
    try:
        return BACKBONES[name].weights_here() is not None
    except WeightsError:
        return False


def convert_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a test two imports of TensorFlow; that the steps run in their own, others try."""

    def step(name: str, function: str, *arguments: str) -> None:
        getattr(_conversion, function)(*arguments)

    monkeypatch.setattr(_conversion, "_step", step)


def made_up_file(name: str, folder: Path) -> Path:
    """A file with all tensors of a network as its authors name and lay them out."""
    file = folder / f"{name}.safetensors"
    save_file(made_up_tensors(BACKBONES[name]), file)
    return file


def made_up_tensors(kind: Any) -> dict[str, np.ndarray]:
    """The tensors of a network as its authors name and lay them out, drawn, each time the same."""
    settle_tensorflow()
    from keras.utils import set_random_seed

    set_random_seed(0)  # not by what was drawn before
    variables = {n: v for block in kind.encoder("float32").blocks for n, v in block.items()}
    drawn = {n: np.array(v.numpy(), np.float32) for n, v in variables.items()}
    tensors = drawn
    if kind.arranged.__func__ is KerasBackbone.arranged.__func__:  # PyTorch's layout
        tensors = {n: _to_torch(a, variables.get(n)) for n, a in tensors.items()}
    for of, (outputs, dim) in getattr(kind, "classifiers", {}).items():
        rng = np.random.default_rng(0)
        tensors[f"{of}.weight"] = rng.normal(size=(outputs, dim)).astype(np.float32)
        tensors[f"{of}.bias"] = rng.normal(size=outputs).astype(np.float32)
    return {n: np.ascontiguousarray(a) for n, a in tensors.items()}


def _to_torch(array: np.ndarray, variable: Any) -> np.ndarray:
    if variable is None or variable.name != "kernel" or array.ndim < 2:
        return array
    if array.ndim == 4 and array.shape[3] == 1 and array.shape[2] > 1:  # each channel by itself
        as_one = np.sqrt(array.shape[2])  # Keras drew them as if each summed over all channels
        return array.transpose(2, 3, 0, 1) * as_one.astype(np.float32)
    return array.transpose(array.ndim - 1, array.ndim - 2, *range(array.ndim - 2))
