"""LiteRT models as their publishers give them, outputs by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faunashot.errors import WeightsError
from faunashot.runtimes.graph import FloatArray, Graph, Port, refused
from faunashot.runtimes.litert import LiteRt

CUSTOM = re.compile(r"Select TensorFlow op|unresolved custom op: (\S+)", re.IGNORECASE)
"""What LiteRT says of an operator that it does not have."""


class LiteRtGraph(Graph):
    """A network in a ``.tflite`` file.

    An output has the name that its signature gives it, or that of its tensor.

    Parameters
    ----------
    file : Path

    Raises
    ------
    WeightsError
        The file is damaged, or has operators of its own.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            self._model = LiteRt(file.read_bytes())
            net = self._model.interpreter()
            named = _by_signature(net, "inputs", net.get_input_details())
            self.inputs = [_port(name, found) for name, found in named.items()]
            named = _by_signature(net, "outputs", net.get_output_details())
            self.outputs = [_port(name, found) for name, found in named.items()]
        except (ValueError, RuntimeError) as error:
            raise _unloaded(file, error) from error
        self._indices = {name: int(found["index"]) for name, found in named.items()}

    def __call__(
        self, inputs: FloatArray, *, source: str, outputs: Sequence[str]
    ) -> list[FloatArray]:
        """As `Graph.__call__`; of a model with several inputs, `source` must be the first."""
        try:
            return self._model.run(inputs, [self._indices[output] for output in outputs])
        except (ValueError, RuntimeError) as error:
            raise refused(self._file, "run", error) from error


def _by_signature(net: Any, way: str, tensors: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Details of tensors by the names of the model's one signature, else by their own."""
    signatures = net.get_signature_list()
    if len(signatures) == 1:
        runner = net.get_signature_runner(next(iter(signatures)))
        details = runner.get_input_details() if way == "inputs" else runner.get_output_details()
        if {found["index"] for found in details.values()} == {t["index"] for t in tensors}:
            return dict(details)
    return {tensor["name"]: tensor for tensor in tensors}


def _port(name: str, tensor: dict[str, Any]) -> Port:
    lengths = tensor["shape_signature"] if len(tensor["shape_signature"]) else tensor["shape"]
    return Port(name, tuple(None if n < 0 else int(n) for n in lengths))


def _unloaded(file: Path, error: Exception) -> WeightsError:
    if found := CUSTOM.search(str(error)):
        which = f", {found[1].rstrip('.')}" if found[1] else ""
        return WeightsError(
            f"{file.name} has an operator that LiteRT has not{which}: convert the network without "
            "custom or TensorFlow operators"
        )
    return refused(file, "loaded", error)
