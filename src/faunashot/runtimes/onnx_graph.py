"""ONNX files through ONNX Runtime, on processors or on a GPU."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faunashot.errors import WeightsError
from faunashot.native import quiet_native
from faunashot.runtimes.graph import FloatArray, Graph, Port, not_installed, refused

TYPES: dict[str, type[Any]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int16)": np.int16,
}
"""What an input of samples may hold, by the name that ONNX Runtime gives it."""

NO_OPERATOR = re.compile(
    r"(\S+)\(-?\d+\) is not a registered function/op|No Op registered for (\S+)"
)
"""What ONNX Runtime says of an operator that it does not have."""

PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")
"""Where networks run: on the first that the installed ONNX Runtime has and that starts."""

SILENT = 4
"""Severity of the messages that ONNX Runtime prints by itself: the fatal ones alone."""


class OnnxGraph(Graph):
    """A network in an ONNX file.

    On a GPU where ``onnxruntime-gpu`` is installed and finds one, on processors elsewhere. Each
    call runs on one thread; several may run at once, and share the weights.

    Parameters
    ----------
    file : Path

    Raises
    ------
    WeightsError
        ONNX Runtime is not installed, or the file is damaged or has operators of its own.
    """

    def __init__(self, file: Path) -> None:
        try:
            with quiet_native():
                import onnxruntime
        except ImportError as error:
            raise not_installed("ONNX Runtime", "onnx") from error
        self._file = file
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = SILENT
        options.use_deterministic_compute = True
        try:
            with quiet_native():
                there = onnxruntime.get_available_providers()
                self._session = onnxruntime.InferenceSession(
                    str(file), options, providers=[name for name in PROVIDERS if name in there]
                )
        except Exception as error:  # ONNX Runtime has a class for each kind, none in its public API
            raise _unloaded(file, error) from error
        inputs = self._session.get_inputs()
        self.inputs = [_port(value) for value in inputs]
        self.outputs = [_port(value) for value in self._session.get_outputs()]
        self._types = {value.name: value.type for value in inputs}

    def __call__(
        self, inputs: FloatArray, *, source: str, outputs: Sequence[str]
    ) -> list[FloatArray]:
        """As `Graph.__call__`."""
        if self._types[source] not in TYPES:
            raise WeightsError(f"{self._file.name}: {source} takes {self._types[source]}, no audio")
        fed = _cast(inputs, TYPES[self._types[source]])
        try:
            found = self._session.run([*outputs], {source: fed})
        except Exception as error:  # as above
            raise refused(self._file, "run", error) from error
        return [np.asarray(each, dtype=np.float32) for each in found]


def _cast(samples: FloatArray, to: type[Any]) -> Any:
    if np.issubdtype(to, np.integer):
        limits = np.iinfo(to)
        samples = np.clip(np.rint(samples), limits.min, limits.max)
    return np.ascontiguousarray(samples, dtype=to)


def _port(value: Any) -> Port:
    return Port(value.name, tuple(n if isinstance(n, int) else None for n in value.shape))


def _unloaded(file: Path, error: Exception) -> WeightsError:
    if found := NO_OPERATOR.search(str(error)):
        operator = found[1] or found[2]
        return WeightsError(
            f"{file.name} has an operator that ONNX Runtime has not, {operator}: export the "
            "network without custom operators"
        )
    return refused(file, "loaded", error)
