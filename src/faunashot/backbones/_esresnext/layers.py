"""Layers that Keras lacks: trained wavelets, and fast convolutions of groups of channels."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from faunashot.frontends.base import FloatArray

FILTER = 2048
"""Samples of a wavelet."""
BINS = FILTER // 2 + 1
USED = 1023
"""Of the bins, the lowest; the other two are not looked at."""
FRAME = 1654
"""Samples of a frame, in the middle of the wavelet."""
EPSILON = 1e-8
NARROWEST = 16
"""Channels of one convolution on a processor: with fewer it is no faster."""


@cache
def analysis_window() -> FloatArray:
    """Blackman and Harris' window of one frame, periodic, (1654,)."""
    from scipy.signal import get_window

    return np.asarray(get_window("blackmanharris", FRAME), dtype=np.float32)


@cache
def wavelet_times() -> FloatArray:
    """Times at which wavelets are sampled under a frame, (1654,)."""
    beside = (FILTER - FRAME) // 2
    times = np.pi * np.linspace(-1, 1, FILTER) + EPSILON
    return times[beside : beside + FRAME].astype(np.float32)


@cache
def wavelets() -> Any:
    """The layer ``Wavelets``; a function, because Keras takes seconds to import."""
    import tensorflow as tf
    from keras import layers, ops

    class Wavelets(layers.Layer):
        """Frames, (N, T, 1654), to their power in each of 1023 bins, (N, T, 1023).

        Each bin has a frequency B-spline wavelet of a trained order `m`, bandwidth `fb` and centre
        frequency `fc`; with 0, 1 and the number of the bin it is that of a Fourier transform.
        """

        def build(self, _shape: Any) -> None:
            for name, start in (("m", "zeros"), ("fb", "ones"), ("fc", _numbers)):
                setattr(self, name, self.add_weight((BINS,), initializer=start, name=name))
            self.kept: Any = None

        def keep(self) -> None:
            """Compute the wavelets once, of parameters that do not change any more."""
            self.kept = tf.constant(ops.convert_to_numpy(self.filters()))

        def filters(self) -> Any:
            """Real and imaginary parts of the windowed wavelets, (1654, 2046)."""
            m, fb, fc = (of[None, :USED] for of in (self.m, self.fb, self.fc))
            t = ops.convert_to_tensor(wavelet_times())[:, None]
            angle = fb * t / (m + EPSILON)
            sinc = ops.sin(angle) / angle
            scale = ops.convert_to_tensor(analysis_window()[:, None] / np.float32(FILTER**0.5))
            size = scale * ops.sqrt(fb) * ops.power(ops.abs(sinc), m)
            turned = ops.where(sinc < 0, np.pi * m, 0.0)  # a negative number to the power of m
            real, imaginary = size * ops.cos(turned), size * ops.sin(turned)
            cosine, sine = ops.cos(fc * t), ops.sin(fc * t)
            return ops.concatenate(
                [real * cosine + imaginary * sine, imaginary * cosine - real * sine], axis=1
            )

        def call(self, frames: Any) -> Any:
            filters = self.filters() if self.kept is None else self.kept
            squares = ops.square(ops.tensordot(frames, filters, axes=1))
            return squares[..., :USED] + squares[..., USED:]

    return Wavelets


def _numbers(shape: tuple[int, ...], dtype: Any = None) -> Any:
    from keras import ops

    return ops.arange(shape[0], dtype=dtype)


@cache
def grouped_convolution() -> Any:
    """The layer ``GroupedConvolution``; a function, because Keras takes seconds to import."""
    import tensorflow as tf
    from keras import layers

    class GroupedConvolution(layers.Layer):
        """Convolutions of groups of channels of their own, padded as PyTorch pads.

        Keras' own is tens of times slower on a processor. Here neighbouring groups are convolved
        together, as one with zeros between them.
        """

        def __init__(self, size: int, *, stride: int, groups: int, **options: Any) -> None:
            super().__init__(**options)
            self.size, self.stride, self.groups = size, stride, groups

        def build(self, shape: Any) -> None:
            kernel = (self.size, self.size, shape[-1] // self.groups, shape[-1])
            self.kernel = self.add_weight(kernel, initializer="he_normal", name="kernel")

        def call(self, x: Any) -> Any:
            around = [self.size // 2, self.size // 2]
            padding = "SAME" if self.stride == 1 else [[0, 0], around, around, [0, 0]]
            if tf.config.list_physical_devices("GPU"):
                return tf.nn.conv2d(x, self.kernel, self.stride, padding)
            joined = max(1, NARROWEST // self.kernel.shape[2])
            kernels = tf.split(self.kernel, self.groups // joined, axis=-1)
            parts = zip(tf.split(x, len(kernels), axis=-1), kernels, strict=True)
            convolved = [
                tf.nn.conv2d(part, _joined(kernel, joined), self.stride, padding)
                for part, kernel in parts
            ]
            return tf.concat(convolved, axis=-1)

    def _joined(kernel: Any, groups: int) -> Any:
        """One kernel of several groups, (size, size, width, width), from (.., width / groups, ..).

        Its zeros are between channels of different groups.
        """
        width = kernel.shape[-1]
        of = np.arange(width) // (width // groups)
        return tf.tile(kernel, (1, 1, groups, 1)) * tf.cast(of[:, None] == of, kernel.dtype)

    return GroupedConvolution
