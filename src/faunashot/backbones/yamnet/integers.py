"""YAMNet's network as an ONNX file whose lower layers compute in integers of 8 bits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.backbones.base import FloatArray
from faunashot.backbones.yamnet.network import EPSILON, PATCH, YAMNET, Blocks
from faunashot.runtimes.onnx_writer import LARGEST_WEIGHT, STEPS, OnnxWriter

INPUT, OUTPUT = "patches", "embedding"

FORMAT = 1
"""Of the file. A change of how it is written that changes any embedding needs a new one."""

RANGES: Sequence[tuple[float, float]] = (
    (-6.91, 4.85),  # of the patches, whose least value is that of silence
    *((0, 25.1), (0, 42.3), (0, 50.1), (0, 45.0), (0, 32.5), (0, 39.0), (0, 26.9)),
    *((0, 33.8), (0, 25.6), (0, 23.0), (0, 17.1), (0, 17.9), (0, 11.4), (0, 19.7)),
    *((0, 10.7), (0, 20.3), (0, 13.8), (0, 53.7), (0, 36.3), (0, 52.2)),
)
"""Least and largest number that each convolution in integers reads, from the lowest up; the last
is of what leaves them.

Of sounds that are synthesised, see ``benchmarks/integer_ranges.py``; larger numbers are clipped.
They are fixed, and not measured where the file is made, so that it is the same on each machine.
These are the convolutions up to layer 11's depthwise one. Above them few channels are active at a
time, with ranges that differ a thousandfold: one more convolution in integers doubles the error.
"""


@dataclass(frozen=True)
class Convolution:
    """A convolution with its normalisation folded into it; a rectifier follows.

    Attributes
    ----------
    name : str
        As published, such as ``layer2/depthwise_conv``.
    kernel : ndarray, shape (filters, channels of a filter, height, width)
    bias : ndarray, shape (filters,)
    stride : int
    """

    name: str
    kernel: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]
    stride: int

    @property
    def is_depthwise(self) -> bool:
        """Whether each filter reads a channel of its own."""
        return self.name.endswith("depthwise_conv")


def recipe_hash(ranges: Sequence[tuple[float, float]] = RANGES) -> str:
    """SHA-256 of what the file depends on beside the weights."""
    return hashlib.sha256(json.dumps([FORMAT, ranges, STEPS, LARGEST_WEIGHT]).encode()).hexdigest()


def convolutions(
    variables: Mapping[str, FloatArray], *, blocks: Blocks = YAMNET
) -> list[Convolution]:
    """The convolutions of YAMNet, from the lowest up.

    Parameters
    ----------
    variables : mapping of str to ndarray
        By their published names, see `faunashot.backbones.yamnet.published.yamnet_variables`.
    blocks : sequence of (int, int)
        Stride and filters of its layers.
    """

    def folded(name: str, *, stride: int = 1) -> Convolution:
        is_depthwise = name.endswith("depthwise_conv")
        kernel = variables[f"{name}/{'depthwise_kernel' if is_depthwise else 'kernel'}"]
        kernel = kernel.transpose((2, 3, 0, 1) if is_depthwise else (3, 2, 0, 1))
        scale = 1 / np.sqrt(variables[f"{name}/bn/moving_variance"].astype(np.float64) + EPSILON)
        bias = variables[f"{name}/bn/beta"] - variables[f"{name}/bn/moving_mean"] * scale
        return Convolution(name, kernel * scale[:, None, None, None], bias, stride)

    (first, _), *others = blocks
    made = [folded("layer1/conv", stride=first)]
    for at, (stride, _) in enumerate(others, 2):
        made.append(folded(f"layer{at}/depthwise_conv", stride=stride))
        made.append(folded(f"layer{at}/pointwise_conv"))
    return made


def integer_network(
    layers: Sequence[Convolution],
    *,
    ranges: Sequence[tuple[float, float]] = RANGES,
    outputs: Sequence[str] = (),
) -> Any:
    """The network from patches, shape (N, 96, 64), to embeddings, shape (N, dim).

    Parameters
    ----------
    layers : sequence of Convolution
        From the lowest up.
    ranges : sequence of (float, float)
        Of what the lowest of them read, which compute in integers, and of what those give; all of
        them compute in float32 if empty.
    outputs : sequence of str
        Names of convolutions whose rectified results are outputs, too.

    Returns
    -------
    onnx.ModelProto

    Notes
    -----
    Weights have a scale for each filter, what a convolution reads has one; biases have 32 bits.

    References
    ----------
    B. Jacob et al. Quantization and training of neural networks for efficient
    integer-arithmetic-only inference. CVPR 2018.
    """
    graph = OnnxWriter()
    x = graph.node("Unsqueeze", [INPUT, graph.constant("axis", np.array([1]))], "image")
    for at, layer in enumerate(layers):
        name = layer.name
        if at < len(ranges):
            x, scale = graph.rounded(x, *ranges[at], name=f"{name}/in")
        if at + 1 < len(ranges):
            kernel, bias = graph.integers(layer.kernel, layer.bias, scale=scale, name=name)
        else:
            kernel = graph.constant(f"{name}/kernel", layer.kernel.astype(np.float32))
            bias = graph.constant(f"{name}/bias", layer.bias.astype(np.float32))
        x = graph.node(
            "Conv",
            [x, kernel, bias],
            f"{name}/sum",
            strides=[layer.stride] * 2,
            group=len(layer.kernel) if layer.is_depthwise else 1,
            kernel_shape=layer.kernel.shape[2:],
            auto_pad="SAME_UPPER",
        )
        x = graph.node("Relu", [x], name)
    graph.node("Flatten", [graph.node("GlobalAveragePool", [x], "pooled")], OUTPUT)
    axes = {OUTPUT: ["N", len(layers[-1].kernel)]} | {name: [*"NCHW"] for name in outputs}
    return graph.model("yamnet", inputs={INPUT: ["N", *PATCH]}, outputs=axes)
