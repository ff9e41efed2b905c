"""ONNX files: models put one behind the other, quantised, and described."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from faunashot.native import quiet_native
from faunashot.runtimes.graph import not_installed, refused
from faunashot.runtimes.parts import EXTRA, INPUT, OUTPUT

if TYPE_CHECKING:
    from onnx import ModelProto

FloatArray = npt.NDArray[np.float32]

IR_VERSION = 9
"""Of what is written: runtimes from 2023 on read it."""

SMALL = 256
"""Numbers up to which a constant stays as it is."""

INTEGER = ("Conv", "Gemm", "MatMul", "Add", "Relu")
"""Operators whose weights and inputs become integers of 8 bits, and what lies between them: the
range of a convolution is that of the rectifier after it only where this is among them."""


def joined(models: Sequence[ModelProto], *, source: str, result: str) -> ModelProto:
    """One model of several, each of which reads what the one before it gives.

    Parameters
    ----------
    models : sequence of ModelProto
        Each from `INPUT` to `OUTPUT`.
    source, result : str
        Names of the input and the output of the joined model.
    """
    from onnx import checker, compose

    ready = []
    for at, model in enumerate(models):
        made = compose.add_prefix(model, f"part{at}/")
        made.ir_version = IR_VERSION
        ready.append(made)
    whole = ready[0]
    for at, model in enumerate(ready[1:], 1):
        ends = [(f"part{at - 1}/{OUTPUT}", f"part{at}/{INPUT}")]
        whole = compose.merge_models(whole, model, io_map=ends)
    _rename(whole, {f"part0/{INPUT}": source, f"part{len(ready) - 1}/{OUTPUT}": result})
    checker.check_model(whole)
    return whole


def _rename(model: ModelProto, names: Mapping[str, str]) -> None:
    graph = model.graph
    for node in graph.node:
        for of in (node.input, node.output):
            of[:] = [names.get(name, name) for name in of]
    for value in [*graph.input, *graph.output]:
        value.name = names.get(value.name, value.name)


def described(model: ModelProto, facts: Mapping[str, str]) -> ModelProto:
    """The model with facts in its ``metadata_props``."""
    from onnx import helper

    helper.set_model_props(model, dict(facts))
    model.producer_name = "faunashot"
    return model


def in_half_precision(model: ModelProto) -> ModelProto:
    """The model with its weights as numbers of 16 bits, which are widened when it is loaded."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    widened = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) <= SMALL:
            continue
        name, half = tensor.name, f"{tensor.name}/half"
        limits = np.finfo(np.float16)
        numbers = np.clip(numpy_helper.to_array(tensor), limits.min, limits.max)
        tensor.CopyFrom(numpy_helper.from_array(numbers.astype(np.float16), half))
        widened.append(helper.make_node("Cast", [half], [name], to=TensorProto.FLOAT))
    nodes = [*widened, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def in_integers(model: ModelProto, rows: Iterable[FloatArray]) -> ModelProto:
    """The model with weights and inputs of `INTEGER` as numbers of 8 bits.

    Weights have a scale for each output channel, inputs one range that calibration finds.

    Parameters
    ----------
    rows : iterable of ndarray
        What it reads of a window each, as its input is shaped.

    Raises
    ------
    WeightsError
        ONNX Runtime, which does it, is not installed, or cannot do it.
    """
    import onnx

    try:
        with quiet_native():
            from onnxruntime import quantization
            from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise not_installed("ONNX Runtime, which rounds weights,", EXTRA) from error

    class Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(rows)

        def get_next(self) -> dict[str, Any] | None:
            row = next(self._left, None)
            return None if row is None else {INPUT: row}

    with tempfile.TemporaryDirectory(prefix="faunashot-") as folder, quiet_native():
        given, ready, made = (str(Path(folder, f"{n}.onnx")) for n in ("given", "ready", "made"))
        try:
            onnx.save(model, given)  # of a model in memory it looks for the weights in a file
            quant_pre_process(given, ready, skip_symbolic_shape=True)
            quantization.quantize_static(
                ready,
                made,
                Rows(),
                per_channel=True,
                op_types_to_quantize=[*INTEGER],
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        except Exception as error:  # whatever it meets in a graph that it does not know
            raise refused(Path("the network"), "quantised for ONNX", error) from error
        return onnx.load(made)
