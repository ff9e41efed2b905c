"""Networks in Keras as LiteRT models, written by processes of their own.

TensorFlow and its converter keep several copies of the weights, and give none of that memory back
before their process ends: each step has its own, so that the copies of the steps do not add up,
and the process that embeds imports neither.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faunashot.errors import FaunashotError, WeightsError
from faunashot.native import quiet_native

if TYPE_CHECKING:
    from faunashot.backbones._keras import KerasBackbone

MODEL, CHECK = "model.tflite", "check.npz"
"""The network, and what it gave of a window of noise in TensorFlow."""

REFUSED = 3
"""Status of a step that ends with an error of ours, whose line is the last on stderr."""


def convert(
    backbone: KerasBackbone, made: Mapping[str, Any], layers: Sequence[str], folder: Path
) -> None:
    """Write the network of layers, side by side, as `MODEL`, and `CHECK` beside it, into a folder.

    Parameters
    ----------
    backbone : KerasBackbone
    made : mapping
        Options that its like is made with.
    layers : sequence of str
    folder : Path

    Raises
    ------
    WeightsError
        The weights are of another network, or a step ended before its time.
    """
    kind = type(backbone)
    with tempfile.TemporaryDirectory(dir=folder) as saved:
        like = json.dumps([kind.__module__, kind.__qualname__, dict(made)])
        _step(kind.card.name, "save", like, json.dumps(layers), saved)
        os.replace(Path(saved, CHECK), folder / CHECK)
        _step(kind.card.name, "write", saved, str(folder / MODEL))


def _step(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__, *arguments],  # no modules of the current folder
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        check=False,
    )
    if not done.returncode:
        return
    last = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode == REFUSED:
        raise WeightsError(last)
    why = "was killed; it takes 3 GB of memory" if done.returncode < 0 else f"failed: {last[:200]}"
    raise WeightsError(f"{name}: converting the network for LiteRT {why}")


def save(like: str, layers: str, folder: str) -> None:
    """Step 1: the network of layers as a SavedModel, which lies in files, not in memory."""
    module, name, made = json.loads(like)
    backbone: KerasBackbone = getattr(importlib.import_module(module), name)(**made)
    backbone.save(tuple(json.loads(layers)), Path(folder))


def write(saved: str, model: str) -> None:
    """Step 2: a LiteRT model of a SavedModel."""
    from faunashot.runtimes.keras_network import settle_tensorflow

    settle_tensorflow()
    with quiet_native():
        import tensorflow as tf

        converter: Any = tf.lite.TFLiteConverter.from_saved_model(saved)
        # Weights behind the graph, not in it: else it is unpacked and packed in Python, twice.
        converter._experimental_use_buffer_offset = True
        Path(model).write_bytes(converter.convert())


if __name__ == "__main__":
    step: Any = {"save": save, "write": write}[sys.argv[1]]
    try:
        step(*sys.argv[2:])
    except FaunashotError as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
