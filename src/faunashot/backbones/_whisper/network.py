"""Parts that Whisper's encoders are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from faunashot.backbones._whisper.front_end import BANDS, FRAMES
from faunashot.frontends.base import FloatArray
from faunashot.runtimes.published_layers import PublishedLayers

POSITIONS = FRAMES // 2
TABLE = "encoder.embed_positions.weight"
LONGEST = 10_000.0
"""Wavelength of the slowest position signal, in positions by radian."""

LEAST = 1e-9
"""What a position after the end counts: nothing, unless none at all is marked."""


@dataclass(frozen=True)
class Size:
    """Of an encoder: length of its vectors, its blocks, and the heads of each."""

    width: int
    blocks: int
    heads: int


def position_table(width: int) -> FloatArray:
    """Sines and cosines that tell 1500 positions apart, (1500, width).

    In single precision, as published: at the higher positions its rounding shows.
    """
    half = width // 2
    slower = np.float32(np.log(LONGEST) / (half - 1))
    exponents = -slower * np.arange(half, dtype=np.float32)
    rates = np.exp(exponents.astype(np.float64)).astype(np.float32)  # numpy's own are a bit off
    angles = np.arange(POSITIONS, dtype=np.float32)[:, None] * rates
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def positions(of: PublishedLayers, inputs: Any, size: Size) -> dict[str, Any]:
    """What the parts of an encoder give at each position of 20 ms.

    Parameters
    ----------
    of : PublishedLayers
    inputs : KerasTensor
        Of the front end, shape (N, 3000, 81).
    size : Size

    Returns
    -------
    dict of str to KerasTensor
        ``stem`` after the convolutions and positions, ``layer_1`` .. ``layer_n`` after each block,
        and ``embedding`` after the last normalisation; shape (N, 1500, width) each.
    """
    of.block()
    x = of.conv(inputs[..., :BANDS], "encoder.conv1", size.width, 3, pad=1, bias=True)
    x = of.conv(_gelu(of, x), "encoder.conv2", size.width, 3, stride=2, pad=1, bias=True)
    found = {"stem": _placed(of, _gelu(of, x))}
    for number in range(size.blocks):
        of.block()
        x = _block(of, [*found.values()][-1], f"encoder.layers.{number}", size)
        found[f"layer_{number + 1}"] = x
    return found | {"embedding": of.layer_norm(x, "encoder.layer_norm")}


def mean_of_recording(inputs: Any, x: Any) -> Any:
    """Mean over the positions that the front end marks, (N, 1500, width) -> (N, width)."""
    from keras import ops

    marks = ops.clip(ops.cast(inputs[:, ::2, BANDS:], "float32"), 0.0, 1.0) + LEAST
    return ops.sum(ops.cast(x, "float32") * marks, axis=1) / ops.sum(marks, axis=1)


def _gelu(of: PublishedLayers, x: Any) -> Any:
    """The exact one, with the error function, as Keras has it unless told otherwise."""
    from keras import layers

    return layers.Activation("gelu", dtype=of.precision)(x)


def _placed(of: PublishedLayers, x: Any) -> Any:
    """What tells the positions apart added, from a table that is not trained.

    Of layers that Keras brings, so that a trained network is read without this code.
    """
    from keras import layers, ops

    numbers = ops.cumsum(ops.ones_like(x[..., 0], dtype="int32"), axis=1) - 1
    table = layers.Embedding(*x.shape[1:], dtype=of.precision, name="embed_positions")
    table.trainable = False
    return x + of.note(table, numbers, embeddings=TABLE)


def _block(of: PublishedLayers, x: Any, name: str, size: Size) -> Any:
    """Attention and a perceptron, each on normalised values and added to what they read."""
    x = x + _attention(of, of.layer_norm(x, f"{name}.self_attn_layer_norm"), name, size)
    hidden = of.dense(of.layer_norm(x, f"{name}.final_layer_norm"), f"{name}.fc1", 4 * size.width)
    return x + of.dense(_gelu(of, hidden), f"{name}.fc2", size.width)


def _attention(of: PublishedLayers, x: Any, name: str, size: Size) -> Any:
    """Each position a mixture of all, in several heads; keys have no bias."""
    from keras import layers, ops

    each = size.width // size.heads

    def heads(part: str, *, bias: bool = True) -> Any:
        made = of.dense(x, f"{name}.self_attn.{part}", size.width, bias=bias)
        split = layers.Reshape((POSITIONS, size.heads, each), dtype=of.precision)(made)
        return ops.transpose(split, (0, 2, 1, 3))

    query, key, value = heads("q_proj") * each**-0.5, heads("k_proj", bias=False), heads("v_proj")
    share = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))), axis=-1)
    mixed = ops.transpose(ops.matmul(share, value), (0, 2, 1, 3))
    joined = layers.Reshape((POSITIONS, size.width), dtype=of.precision)(mixed)
    return of.dense(joined, f"{name}.self_attn.out_proj", size.width)
