"""ESResNeXt-fbsp: trained wavelets, a ResNeXt-50, and attention beside each of its stages."""

from __future__ import annotations

from typing import Any

from faunashot.backbones._esresnext.layers import FRAME, grouped_convolution, wavelets
from faunashot.runtimes.published_layers import PublishedLayers

HOP = 561
BANDS, CHANNELS = 341, 3
FLOOR = 1e-18
"""Power where there is none."""

GROUPS = 32
STAGES = ((3, 256), (4, 512), (6, 1024), (3, 2048))
"""Blocks, and channels after them."""
ATTENTION = ((3, 1), (1, 5), (3, 1), (1, 5), (3, 5))
"""Kernels, over bands and over frames in turn, and over both at the end."""


def spectrogram(of: PublishedLayers, samples: Any, *, name: str = "") -> Any:
    """Wavelet spectrograms in dB of samples, such as (N, 220500) -> (N, 341, 392, 3).

    Low, middle and high frequencies are three channels of an image of bands by frames.
    """
    from keras import layers, ops

    of.block()
    layer = wavelets()(name="wavelets", dtype="float32")
    names = {part: f"{name}fbsp.{part}" for part in ("m", "fb", "fc")}
    frames = _frames(samples)
    power = of.note(layer, frames, **names)
    decibels = ops.log10(ops.where(power > 0, power, FLOOR)) * 10
    image = layers.Reshape((frames.shape[1], CHANNELS, BANDS))(decibels)
    return layers.Permute((3, 1, 2), name="spectrogram")(image)


def _frames(samples: Any) -> Any:
    """Overlapping frames, such as (N, 392, 1654), zeros before and after the samples."""
    from keras import ops

    length = samples.shape[1]
    n = 1 + -(-(length - FRAME) // HOP)
    missing = FRAME + (n - 1) * HOP - length
    steps = n - (-FRAME // HOP) - 1  # that the frames reach over
    after = steps * HOP - missing // 2 - length
    padded = ops.pad(samples, ((0, 0), (missing // 2, after)))
    rows = ops.reshape(padded, (-1, steps, HOP))
    starts = range(0, FRAME, HOP)
    shifted = [rows[:, at : at + n, : min(HOP, FRAME - start)] for at, start in enumerate(starts)]
    return ops.concatenate(shifted, axis=2)


def embedding(of: PublishedLayers, image: Any, *, name: str = "") -> Any:
    """The network from spectrograms on, (N, 341, frames, 3) -> (N, 2048)."""
    from keras import layers, ops

    of.block()
    x = of.conv(image, f"{name}conv1", 64, 7, stride=2, pad=3)
    x = layers.ReLU(dtype=of.precision)(of.batch_norm(x, f"{name}bn1"))
    x = _halved(of, x, 3)
    for stage, (blocks, filters) in enumerate(STAGES, 1):
        of.block()
        before = x
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 1 else 1
            x = _bottleneck(of, x, f"{name}layer{stage}.{block}", filters, stride=stride)
        pooled = before if stage == 1 else _adaptive_max_pool(of, before)
        x = x * _mask(of, pooled, f"{name}att{stage}", filters, ATTENTION[stage - 1])
    summit = ops.max(x, axis=(1, 2), keepdims=True)
    mask = _mask(of, summit, f"{name}att5", STAGES[-1][1], ATTENTION[-1])
    pooled = ops.mean(x, axis=(1, 2), keepdims=True) * mask
    return layers.Flatten(dtype="float32", name="pooled")(pooled)


def _bottleneck(of: PublishedLayers, x: Any, name: str, filters: int, *, stride: int) -> Any:
    from keras import layers

    shortcut, inner = x, filters // 2
    x = of.conv(x, f"{name}.conv1", inner, 1)
    x = layers.ReLU(dtype=of.precision)(of.batch_norm(x, f"{name}.bn1"))
    grouped = grouped_convolution()(
        3, stride=stride, groups=GROUPS, dtype=of.precision, name=f"{name}.conv2".replace(".", "_")
    )
    x = of.note(grouped, x, kernel=f"{name}.conv2.weight")
    x = layers.ReLU(dtype=of.precision)(of.batch_norm(x, f"{name}.bn2"))
    x = of.batch_norm(of.conv(x, f"{name}.conv3", filters, 1), f"{name}.bn3")
    if name.endswith(".0"):
        shortcut = of.conv(shortcut, f"{name}.downsample.0", filters, 1, stride=stride)
        shortcut = of.batch_norm(shortcut, f"{name}.downsample.1")
    return layers.ReLU(dtype=of.precision)(x + shortcut)


def _mask(of: PublishedLayers, x: Any, name: str, filters: int, size: tuple[int, int]) -> Any:
    """What is to be kept of each channel and place, from 0 to 1."""
    from keras import layers

    pad = (size[0] // 2, size[1] // 2)
    x = of.depthwise(x, f"{name}.conv_depth", size, pad=pad, bias=True)
    x = of.conv(x, f"{name}.conv_point", filters, 1, bias=True)
    return layers.Activation("sigmoid", dtype=of.precision)(of.batch_norm(x, f"{name}.bn"))


def _adaptive_max_pool(of: PublishedLayers, x: Any) -> Any:
    """Maxima in as many windows as half the places, rounded up.

    Windows from ``floor(i * size / half)`` to ``ceil((i + 1) * size / half)`` are pairs where the
    size is even; where it is odd they are threes that overlap, the first beginning one before it.
    """
    height, width = x.shape[1:3]
    return _halved(of, x, (2 + height % 2, 2 + width % 2))


def _halved(of: PublishedLayers, x: Any, size: int | tuple[int, int]) -> Any:
    """Maxima of every second window of 2 or 3; nothing is negative, so zeros may lie around."""
    from keras import layers

    height, width = (size, size) if isinstance(size, int) else size
    pad = ((height - 2, height - 2), (width - 2, width - 2))
    x = layers.ZeroPadding2D(pad, dtype=of.precision)(x)
    return layers.MaxPooling2D((height, width), 2, dtype=of.precision)(x)
