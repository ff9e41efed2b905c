"""Parts that the networks of PANNs are made of."""

from __future__ import annotations

from typing import Any

from faunashot.runtimes.published_layers import PublishedLayers

CNN14 = (64, 128, 256, 512, 1024, 2048)
"""Filters of CNN14's blocks."""

DROPOUT, DENSE_DROPOUT = 0.2, 0.5
"""Shares of values that are dropped after a block, and before the dense layer."""


def spectrogram_image(of: PublishedLayers, inputs: Any) -> Any:
    """Spectrograms, (N, time, mel), normalised band by band: images of one channel."""
    from keras import layers

    frames, bands = inputs.shape[1:]
    return layers.Reshape((frames, bands, 1))(of.batch_norm(inputs, "bn0"))


def cnn14_blocks(of: PublishedLayers, x: Any, *, first: int = 1) -> Any:
    """The blocks of CNN14 from one of them on; the last is without pooling."""
    for number, filters in enumerate(CNN14[first - 1 :], first):
        pool = None if filters == CNN14[-1] else (2, 2)
        x = conv_block(of, x, f"conv_block{number}", filters, pool=pool)
    return x


def conv_block(
    of: PublishedLayers, x: Any, name: str, filters: int, *, pool: tuple[int, int] | None = (2, 2)
) -> Any:
    """Two 3x3 convolutions with batch normalisation, and an average pooling after them."""
    from keras import layers

    of.block()
    for nth in (1, 2):
        x = of.conv(x, f"{name}.conv{nth}", filters, 3, pad=1)
        x = layers.ReLU(dtype=of.precision)(of.batch_norm(x, f"{name}.bn{nth}"))
    if pool is not None:
        x = layers.AveragePooling2D(pool, dtype=of.precision)(x)
    return of.dropout(x, DROPOUT)


def embedding(of: PublishedLayers, x: Any) -> Any:
    """Mean over the bands, maximum and mean over time added, and a dense layer as wide as `x`."""
    from keras import layers, ops

    of.block()
    bands = ops.mean(x, axis=2)
    pooled = ops.max(bands, axis=1) + ops.mean(bands, axis=1)
    dense = of.dense(of.dropout(pooled, DENSE_DROPOUT), "fc1", x.shape[-1])
    return layers.ReLU(dtype="float32", name="embedding")(dense)
