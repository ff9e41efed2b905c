"""YAMNet as a network that can be trained: MobileNet v1 on log-mel patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from faunashot.backbones.yamnet.published import HANDLE, yamnet_variables
from faunashot.runtimes.keras_network import (
    CLASSIFIER,
    LayeredNetwork,
    training_precision,
    with_classifier,
)

PATCH = (96, 64)
"""Frames and mel bands of what the network reads."""

EPSILON = 1e-4
"""Of YAMNet's batch normalisation, which has no scale."""

FROZEN = 5
"""Lowest layers that are not trained: edges and bands are the same for all sounds."""

Blocks = Sequence[tuple[int, int]]
"""Stride and filters of the layers: a convolution, then depthwise separable ones."""

YAMNET: Blocks = (
    *((2, 32), (1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512)),
    *((1, 512),) * 5,
    *((2, 1024), (1, 1024)),
)


def build(n_targets: int, *, seed: int, handle: str = HANDLE) -> LayeredNetwork:
    """Build YAMNet with its published weights and a classifier that is drawn, to be fine-tuned.

    Parameters
    ----------
    n_targets : int
        Outputs of the classifier.
    seed : int
        Of the classifier's weights.
    handle : str
        Of the published model.

    Raises
    ------
    WeightsError
        The model is neither in the cache nor reachable, or is not YAMNet.
    """
    network = yamnet_network(n_targets, seed=seed, precision=training_precision())
    network.assign(yamnet_variables(handle), but=CLASSIFIER)
    return replace(network, frozen=FROZEN)


def yamnet_network(
    n_classes: int, *, blocks: Blocks = YAMNET, seed: int = 0, precision: str = "float32"
) -> LayeredNetwork:
    """Build YAMNet with a classifier of `n_classes` on its standardised embedding.

    Parameters
    ----------
    n_classes : int
        Outputs of the classifier, C.
    blocks : sequence of (int, int)
        Stride and filters of its layers.
    seed : int
        Of the weights that it starts with.
    precision : str
        Keras' dtype policy; the embedding and the classifier are float32 all the same.

    Returns
    -------
    LayeredNetwork
        Log-mel patches, shape (N, 96, 64), to logits, shape (N, C).

    References
    ----------
    A. Howard et al. MobileNets: Efficient convolutional neural networks for mobile vision
    applications, 2017; M. Plakal, D. Ellis. YAMNet, 2020.
    """
    from keras import Input, initializers, layers

    same: dict[str, Any] = {"padding": "same", "use_bias": False, "dtype": precision}
    made: list[dict[str, Any]] = []

    def normalised(x: Any, layer: Any, name: str) -> Any:
        norm = layers.BatchNormalization(
            scale=False, epsilon=EPSILON, dtype=precision, name=f"{layer.name}_bn"
        )
        relu = layers.Activation("relu", dtype=precision, name=f"{layer.name}_relu")
        x = relu(norm(layer(x)))
        kernel = "depthwise_kernel" if name.endswith("depthwise_conv") else "kernel"
        made[-1][f"{name}/{kernel}"] = layer.kernel
        for variable in ("beta", "moving_mean", "moving_variance"):
            made[-1][f"{name}/bn/{variable}"] = getattr(norm, variable)
        return x

    def initial(*of: int) -> Any:
        return initializers.HeUniform(seed=int(np.random.default_rng([seed, *of]).integers(2**31)))

    # each layer has a name, so that what is saved of the network does not tell what else was built
    inputs = Input(PATCH, name="patches")
    x = layers.Reshape((*PATCH, 1), name="image")(inputs)
    for at, (stride, filters) in enumerate(blocks, 1):
        made.append({})
        if at == 1:
            first = layers.Conv2D(
                filters, 3, stride, kernel_initializer=initial(at), name="layer1_conv", **same
            )
            x = normalised(x, first, "layer1/conv")
            continue
        depthwise = layers.DepthwiseConv2D(
            *(3, stride),
            depthwise_initializer=initial(at, 0),
            name=f"layer{at}_depthwise",
            **same,
        )
        pointwise = layers.Conv2D(
            filters, 1, kernel_initializer=initial(at, 1), name=f"layer{at}_pointwise", **same
        )
        x = normalised(x, depthwise, f"layer{at}/depthwise_conv")
        x = normalised(x, pointwise, f"layer{at}/pointwise_conv")
    embedding = layers.GlobalAveragePooling2D(name="embedding", dtype="float32")(x)
    return with_classifier(inputs, embedding, made, n_classes, seed=seed, precision=precision)
