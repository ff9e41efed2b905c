"""LiteRT files: models put one behind the other, and quantised."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import WeightsError
from faunashot.native import quiet_native
from faunashot.runtimes.graph import not_installed, refused
from faunashot.runtimes.parts import EXTRA, INPUT, OUTPUT

FloatArray = npt.NDArray[np.float32]

IDENTIFIER = b"TFL3"

CALIBRATED = "serving_default"
"""Signature of a model that `joined` made."""

INTEGER = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators whose weights and inputs become integers of 8 bits: nearly all multiplications."""


def joined(models: Sequence[bytes], *, source: str, result: str) -> bytes:
    """One model of several, each of which reads what the one before it gives.

    Parameters
    ----------
    models : sequence of bytes
        Each of one input and one output, in one subgraph.
    source, result : str
        Names of the input and the output in the signature of the joined model.

    Raises
    ------
    WeightsError
        One of them has several subgraphs, inputs or outputs.
    """
    from ai_edge_litert import schema_py_generated as schema

    read = [unpacked(model) for model in models]
    if any(len(model.subgraphs) != 1 for model in read):
        raise WeightsError("a network with branches that depend on the data cannot be joined")
    first, *others = read
    for model in others:
        _append(first, model)
    graph = first.subgraphs[0]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise WeightsError("a network of several inputs or outputs cannot be joined")
    _prune(graph)
    first.signatureDefs = [_signature(schema, graph, source, result)]
    first.metadata, first.metadataBuffer = [], []
    return packed(first)


def _append(first: Any, model: Any) -> None:
    """Put the graph of `model` behind that of `first`."""
    own, other = first.subgraphs[0], model.subgraphs[0]
    codes, buffers, tensors = len(first.operatorCodes), len(first.buffers), len(own.tensors)
    (taken,), (given,) = other.inputs, own.outputs

    def moved(indices: Iterable[int] | None) -> Any:
        if indices is None:
            return None
        new = [given if n == taken else n + tensors if n >= 0 else n for n in indices]
        return np.array(new, np.int32)

    first.operatorCodes += model.operatorCodes
    first.buffers += model.buffers
    for tensor in other.tensors:
        tensor.buffer += buffers
    own.tensors += other.tensors
    for operator in other.operators:
        operator.opcodeIndex += codes
        operator.inputs = moved(operator.inputs)
        operator.outputs = moved(operator.outputs)
        operator.intermediates = moved(operator.intermediates)
    own.operators += other.operators
    own.outputs = moved(other.outputs)


def _prune(graph: Any) -> None:
    """Take out tensors that no operator reads or gives, of which runtimes allocate none."""
    ends = [*graph.inputs, *graph.outputs]
    of = [[*op.inputs, *op.outputs, *(op.intermediates or ())] for op in graph.operators]
    used = sorted({int(n) for n in [*ends, *(n for each in of for n in each)] if n >= 0})
    new = {old: at for at, old in enumerate(used)} | {-1: -1}

    def moved(indices: Iterable[int] | None) -> Any:
        return None if indices is None else np.array([new[int(n)] for n in indices], np.int32)

    graph.tensors = [graph.tensors[old] for old in used]
    graph.inputs, graph.outputs = moved(graph.inputs), moved(graph.outputs)
    for op in graph.operators:
        op.inputs, op.outputs = moved(op.inputs), moved(op.outputs)
        op.intermediates = moved(op.intermediates)


def _signature(schema: Any, graph: Any, source: str, result: str) -> Any:
    def entry(name: str, index: int) -> Any:
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name, int(index)
        return made

    made = schema.SignatureDefT()
    made.signatureKey, made.subgraphIndex = CALIBRATED, 0
    made.inputs, made.outputs = [entry(source, graph.inputs[0])], [entry(result, graph.outputs[0])]
    graph.tensors[graph.inputs[0]].name, graph.tensors[graph.outputs[0]].name = source, result
    return made


def unpacked(model: bytes) -> Any:
    """A model as the schema has it, its weights in it also where they lie behind the graph."""
    from ai_edge_litert import schema_py_generated as schema

    read = schema.ModelT.InitFromPackedBuf(model, 0)
    for buffer in read.buffers:
        if buffer.offset > 1:  # what is written so is not packed again
            data = model[buffer.offset : buffer.offset + buffer.size]
            buffer.data, buffer.offset, buffer.size = np.frombuffer(data, np.uint8), 0, 0
    return read


def packed(model: Any) -> bytes:
    """The bytes of a model that the schema has unpacked."""
    import flatbuffers

    size = sum(0 if b.data is None else len(b.data) for b in model.buffers)
    builder = flatbuffers.Builder(2 * size + (1 << 20))  # it fits: one that grows copies all
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def in_half_precision(model: bytes) -> bytes:
    """The model with its weights as numbers of 16 bits, which are widened when it is loaded.

    Raises
    ------
    WeightsError
        What quantises is not installed, or cannot do it.
    """
    quantizer, names = _quantizer(model)
    for operator in INTEGER:
        quantizer.add_weight_only_config(
            regex=".*",
            operation_name=names.TFLOperationName[operator],
            num_bits=16,
            algorithm_key="float_casting",
        )
    return _done(quantizer)


def in_integers(model: bytes, rows: Iterable[FloatArray]) -> bytes:
    """The model with weights and inputs of `INTEGER` as numbers of 8 bits.

    Weights have a scale for each output channel, inputs one range that calibration finds.

    Parameters
    ----------
    rows : iterable of ndarray
        What it reads of a window each, as its input is shaped.

    Raises
    ------
    WeightsError
        What quantises is not installed, or cannot do it.
    """
    quantizer, names = _quantizer(model)
    for operator in INTEGER:
        quantizer.add_static_config(
            regex=".*",
            operation_name=names.TFLOperationName[operator],
            activation_num_bits=8,
            weight_num_bits=8,
        )
    return _done(quantizer, {CALIBRATED: [{INPUT: row} for row in rows]})


def _quantizer(model: bytes) -> tuple[Any, Any]:
    """What quantises a model, whose signature is made plain, and the names of operators."""
    try:
        with quiet_native():
            from ai_edge_quantizer import qtyping, quantizer
    except ImportError as error:
        raise not_installed("ai-edge-quantizer, which rounds weights,", EXTRA) from error
    plain = joined([model], source=INPUT, result=OUTPUT)
    return quantizer.Quantizer(bytearray(plain)), qtyping


def _done(quantizer: Any, rows: dict[str, Any] | None = None) -> bytes:
    try:
        said = io.StringIO()  # bars and sizes
        with redirect_stdout(said), redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it keeps all tensors, which it has to
            ranges = None if rows is None else quantizer.calibrate(rows)
            return bytes(quantizer.quantize(ranges).quantized_model)
    except Exception as error:  # whatever it meets in a graph that it does not know
        raise refused(Path("the network"), "quantised for LiteRT", error) from error
