"""ONNX graphs that are written node by node, in part in integers of 8 bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from faunashot.runtimes.onnx_files import IR_VERSION
from faunashot.runtimes.parts import OPSET

if TYPE_CHECKING:
    from onnx import ModelProto

FloatArray = npt.NDArray[np.float64]

STEPS = 255
"""Of a range, in 8 bits without sign."""

LARGEST_WEIGHT = 127
"""In 8 bits with sign."""

Axes = Sequence[int | str]


class OnnxWriter:
    """Collects the nodes and constants of a graph."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        """Add a constant; gives its name."""
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node of one output; gives the name of that."""
        from onnx import helper

        self._nodes.append(helper.make_node(kind, [*inputs], [output], **attributes))
        return output

    def rounded(self, x: str, least: float, largest: float, *, name: str) -> tuple[str, float]:
        """Round to `STEPS` of a range, of which a runtime makes integers; gives the scale, too."""
        scale = (largest - least) / STEPS
        zero = np.uint8(round(-least / scale))
        of = [
            self.constant(f"{name}/scale", np.array(scale, np.float32)),
            self.constant(f"{name}/zero", np.array(zero)),
        ]
        steps = self.node("QuantizeLinear", [x, *of], f"{name}/steps")
        return self.node("DequantizeLinear", [steps, *of], f"{name}/rounded"), scale

    def integers(
        self, kernel: FloatArray, bias: FloatArray, *, scale: float, name: str
    ) -> tuple[str, str]:
        """Add kernel and bias of a convolution that reads steps of `scale`; gives their names.

        Parameters
        ----------
        kernel : ndarray, shape (filters, channels, height, width)
            Each filter has a scale of its own.
        bias : ndarray, shape (filters,)
        scale : float
        name : str
            Of the convolution.
        """
        peaks = np.abs(kernel).reshape(len(kernel), -1).max(axis=1)
        step = np.maximum(peaks, np.finfo(np.float32).tiny * STEPS) / LARGEST_WEIGHT
        weights = np.rint(kernel / step[:, None, None, None]).astype(np.int8)
        limits = np.iinfo(np.int32)
        biases = np.clip(np.rint(bias / (step * scale)), limits.min, limits.max)
        return (
            self._scaled(f"{name}/kernel", weights, step),
            self._scaled(f"{name}/bias", biases.astype(np.int32), step * scale),
        )

    def _scaled(self, name: str, steps: npt.NDArray[Any], scale: FloatArray) -> str:
        of = [
            self.constant(f"{name}/steps", steps),
            self.constant(f"{name}/scale", scale.astype(np.float32)),
            self.constant(f"{name}/zero", np.zeros(len(scale), steps.dtype)),
        ]
        return self.node("DequantizeLinear", of, name, axis=0)

    def model(
        self, name: str, *, inputs: Mapping[str, Axes], outputs: Mapping[str, Axes]
    ) -> ModelProto:
        """The graph as a model, with the axes of its inputs and outputs; it is checked."""
        from onnx import TensorProto, checker, helper

        ends = [
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, [*axes]) for n, axes in of.items()]
            for of in (inputs, outputs)
        ]
        made = helper.make_model(
            helper.make_graph(self._nodes, name, *ends, self._constants),
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="faunashot",
            ir_version=IR_VERSION,
        )
        checker.check_model(made)
        return made
