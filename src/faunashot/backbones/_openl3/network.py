"""The audio network of OpenL3, the same for each of its spectrograms."""

from __future__ import annotations

from typing import Any

from faunashot.backbones._keras import Encoder
from faunashot.runtimes.published_layers import PublishedLayers

FILTERS = (64, 128, 256, 512)
EPSILON = 1e-3
"""Of Keras' batch normalisation."""

GRID = (4, 3)
"""Parts, of the bands and of the frames, that the longer embedding has a maximum of each."""

LAYERS = (
    "input_bn",
    *(f"{kind}{block}{nth}" for block in (1, 2, 3) for nth in "ab" for kind in ("conv", "bn")),
    *("conv4a", "bn4a", "audio_embedding_layer"),
)
"""Those that hold tensors, in their order; the last is named by its authors, the rest by us."""


def openl3(precision: str, shape: tuple[int, int]) -> Encoder:
    """The network from spectrograms, (N, frames, bands), to embeddings of 512 and 6144.

    Four blocks of two 3x3 convolutions with batch normalisation, 4.7 million parameters; an
    embedding is the maximum of the last one's output over all of it, or over each part of a grid.

    References
    ----------
    A. L. Cramer et al. Look, listen and learn more: design choices for deep audio embeddings.
    ICASSP 2019.
    """
    from keras import Input, layers

    of = PublishedLayers(precision)
    of.block()
    inputs = Input(shape, name="spectrogram")
    x = layers.Permute((2, 1))(inputs)  # its images are of bands x frames
    x = _batch_norm(of, layers.Reshape((*shape[::-1], 1))(x), "input_bn")
    for block, filters in enumerate(FILTERS, 1):
        if block > 1:
            of.block()
            x = layers.MaxPooling2D(2, dtype=precision)(x)
        x = _conv(of, x, f"conv{block}a", filters)
        x = layers.ReLU(dtype=precision)(_batch_norm(of, x, f"bn{block}a"))
        if filters != FILTERS[-1]:
            x = _conv(of, x, f"conv{block}b", filters)
            x = layers.ReLU(dtype=precision)(_batch_norm(of, x, f"bn{block}b"))
    x = _conv(of, x, LAYERS[-1], FILTERS[-1])
    height, width = x.shape[1:3]
    pools = {512: (height, width), 6144: (height // GRID[0], width // GRID[1])}
    return Encoder(
        inputs, {f"embedding_{dim}": _pooled(x, pool) for dim, pool in pools.items()}, of.blocks
    )


def _conv(of: PublishedLayers, x: Any, name: str, filters: int) -> Any:
    from keras import layers

    made = layers.Conv2D(filters, 3, padding="same", dtype=of.precision, name=name)
    return of.note(made, x, kernel=f"{name}/kernel", bias=f"{name}/bias")


def _batch_norm(of: PublishedLayers, x: Any, name: str) -> Any:
    from keras import layers

    made = layers.BatchNormalization(epsilon=EPSILON, dtype=of.precision, name=name)
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return of.note(made, x, **{each: f"{name}/{each}" for each in names})


def _pooled(x: Any, pool: tuple[int, int]) -> Any:
    from keras import layers

    flat = layers.Flatten(dtype="float32")
    return flat(layers.MaxPooling2D(pool, padding="same", dtype="float32")(x))
