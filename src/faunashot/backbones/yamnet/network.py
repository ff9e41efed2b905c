"""YAMNet as a network that can be trained: MobileNet v1 on log-mel patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faunashot.estimators.networks.base import Network

PATCH = (96, 64)
"""Frames and mel bands of what the network reads."""

EPSILON = 1e-4
"""Of YAMNet's batch normalisation, which has no scale."""

Blocks = Sequence[tuple[int, int]]
"""Stride and filters of the layers: a convolution, then depthwise separable ones."""

YAMNET: Blocks = (
    *((2, 32), (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, 1024)),
)


@dataclass(frozen=True)
class LayeredNetwork(Network):
    """YAMNet with a classifier on its embedding.

    Batch normalisation has to stay in inference mode: call it with ``training=False``.

    Attributes
    ----------
    body : Keras model, patches (N, 96, 64) -> embeddings (N, dim).
    layers : variables of each layer by their published names, from the lowest to the classifier.
    precision : Keras' dtype policy; variables are float32 in any.
    """

    body: Any
    layers: list[dict[str, Any]]
    precision: str


CLASSIFIER = ("standard/", "logits/")
"""How names of the classifier's variables begin."""


def yamnet_network(
    n_classes: int, *, blocks: Blocks = YAMNET, seed: int = 0, precision: str = "float32"
) -> LayeredNetwork:
    """Build YAMNet with a classifier of `n_classes` on its standardised embedding.

    Parameters
    ----------
    blocks : stride and filters of its layers.
    seed : of the weights that it starts with.
    precision : Keras' dtype policy; the embedding and the classifier are float32 all the same.

    References
    ----------
    A. Howard et al. MobileNets: Efficient convolutional neural networks for mobile vision
    applications, 2017; M. Plakal, D. Ellis. YAMNet, 2020.
    """
    from keras import Input, Model, initializers, layers

    same: dict[str, Any] = {"padding": "same", "use_bias": False, "dtype": precision}
    made: list[dict[str, Any]] = []

    def normalised(x: Any, layer: Any, name: str) -> Any:
        norm = layers.BatchNormalization(scale=False, epsilon=EPSILON, dtype=precision)
        x = layers.Activation("relu", dtype=precision)(norm(layer(x)))
        kernel = "depthwise_kernel" if name.endswith("depthwise_conv") else "kernel"
        made[-1][f"{name}/{kernel}"] = layer.kernel
        for variable in ("beta", "moving_mean", "moving_variance"):
            made[-1][f"{name}/bn/{variable}"] = getattr(norm, variable)
        return x

    def initial(*of: int) -> Any:
        return initializers.HeUniform(seed=int(np.random.default_rng([seed, *of]).integers(2**31)))

    inputs = Input(PATCH)
    x = layers.Reshape((*PATCH, 1))(inputs)
    for at, (stride, filters) in enumerate(blocks, 1):
        made.append({})
        if at == 1:
            first = layers.Conv2D(filters, 3, stride, kernel_initializer=initial(at), **same)
            x = normalised(x, first, "layer1/conv")
            continue
        depthwise = layers.DepthwiseConv2D(3, stride, depthwise_initializer=initial(at, 0), **same)
        pointwise = layers.Conv2D(filters, 1, kernel_initializer=initial(at, 1), **same)
        x = normalised(x, depthwise, f"layer{at}/depthwise_conv")
        x = normalised(x, pointwise, f"layer{at}/pointwise_conv")
    embedding = layers.GlobalAveragePooling2D(dtype="float32")(x)
    standard = layers.BatchNormalization(center=False, scale=False, epsilon=0.0, dtype="float32")
    dense = layers.Dense(n_classes, kernel_initializer=initial(0), dtype="float32")
    logits = dense(standard(embedding))
    made.append(
        {
            "standard/moving_mean": standard.moving_mean,
            "standard/moving_variance": standard.moving_variance,
            "logits/kernel": dense.kernel,
            "logits/bias": dense.bias,
        }
    )
    return LayeredNetwork(
        Model(inputs, logits),
        {name: variable for layer in made for name, variable in layer.items()},
        Model(inputs, embedding),
        made,
        precision,
    )
