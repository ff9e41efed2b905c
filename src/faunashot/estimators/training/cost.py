"""What a network costs: its parameters, and the products of one window."""

from __future__ import annotations

import logging
from typing import Any

from faunashot.audio.melspec import FRAMES
from faunashot.native import quiet_native

PRODUCTS = {"Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2"}
"""TensorFlow's operations that multiply and add; Keras' one-dimensional convolutions among them."""


def cost(model: Any) -> dict[str, int]:
    """Cost of a Keras model; one that reads any number of frames is given 500.

    Returns
    -------
    dict
        ``parameters``, and ``macs``: multiplications with an addition for one window, as
        TensorFlow's profiler counts them, those of matrix products and convolutions alone.
    """
    import tensorflow as tf

    profiler = tf.compat.v1.profiler
    read = tf.TensorSpec([1, *(size or FRAMES for size in model.input_shape[1:])])
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(read)
    wanted = profiler.ProfileOptionBuilder.float_operation()
    options = profiler.ProfileOptionBuilder(wanted).with_empty_output().build()
    noisy = logging.getLogger("tensorflow")
    level = noisy.level
    try:
        noisy.setLevel(logging.ERROR)
        with quiet_native():
            found = profiler.profile(graph=function.graph, cmd="op", options=options)
    finally:
        noisy.setLevel(level)
    operations = sum(_of(found))
    return {"parameters": int(model.count_params()), "macs": operations // 2}


def _of(node: Any) -> list[int]:
    own = [int(node.float_ops)] if node.name in PRODUCTS else []
    return own + [ops for child in node.children for ops in _of(child)]
