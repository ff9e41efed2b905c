"""A small network in an ONNX file, with whatever is to be wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

RATE = 16_000
FRAME = 160
DIM = 32
CLASSES = 5


def write_network(
    file: Path,
    *,
    samples: int = RATE,
    batch: int | str = "N",
    channel: bool = False,
    fault: str = "",
    ir: int = 10,
) -> Path:
    """Write a network from audio to frames, an embedding and logits.

    Parameters
    ----------
    file : Path
    samples : int
        Of a window.
    batch : int or str
        Windows that it takes; a name for any number.
    channel : bool
        Whether the input has an axis of one channel.
    fault : str
        ``custom`` operator, ``random`` numbers, ``beside`` (a row depends on the others), or
        ``nan`` of silence.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save

    rng = np.random.default_rng(5)
    kernel = rng.normal(size=(FRAME, DIM)).astype(np.float32) / FRAME**0.5
    head = rng.normal(size=(DIM, CLASSES)).astype(np.float32)
    arrays = {
        "shape": np.array([0 if batch == "N" else batch, samples // FRAME, FRAME], np.int64),
        "kernel": kernel,
        "head": head,
        "time": np.array([1], np.int64),
        "windows": np.array([0], np.int64),
    }
    node = helper.make_node
    nodes: list[Any] = [
        node("Reshape", ["audio", "shape"], ["framed"]),
        node("MatMul", ["framed", "kernel"], ["filtered"]),
        node("Abs", ["filtered"], ["frames"]),
        node("ReduceMean", ["frames", "time"], ["mean"], keepdims=0),
        *_faulty(node, fault),
        node("MatMul", ["embedding", "head"], ["scores"]),
    ]
    axes = [batch, 1, samples] if channel else [batch, samples]
    given = [("frames", [batch, samples // FRAME, DIM]), ("embedding", [batch, DIM])]
    given += [("scores", [batch, CLASSES])]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, of) for n, of in given],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    domains = [("", 18), *([("org.nobody", 1)] if fault == "custom" else [])]
    opsets = [helper.make_opsetid(domain, version) for domain, version in domains]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = ir
    if fault != "custom":
        checker.check_model(model)
    save(model, str(file))
    return file


def _faulty(node: Any, fault: str) -> list[Any]:
    """From the mean over time to the embedding."""
    if fault == "custom":
        return [node("Whisker", ["mean"], ["embedding"], domain="org.nobody")]
    if fault == "random":
        noise = node("RandomNormalLike", ["mean"], ["noise"])
        return [noise, node("Add", ["mean", "noise"], ["embedding"])]
    if fault == "beside":
        average = node("ReduceMean", ["mean", "windows"], ["average"], keepdims=1)
        return [average, node("Sub", ["mean", "average"], ["embedding"])]
    if fault == "nan":
        return [node("Log", ["mean"], ["log"]), node("Mul", ["log", "mean"], ["embedding"])]
    return [node("Identity", ["mean"], ["embedding"])]


def embedded(windows: np.ndarray) -> np.ndarray:
    """What the network without a fault gives, in numpy."""
    rng = np.random.default_rng(5)
    kernel = rng.normal(size=(FRAME, DIM)).astype(np.float32) / FRAME**0.5
    framed = windows.reshape(len(windows), -1, FRAME)
    return np.abs(framed @ kernel).mean(axis=1)
