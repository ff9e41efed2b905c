"""Layers that Keras lacks: trained wavelets, and fast convolutions of groups of channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
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
            # A product for each window, not one of all frames: in silence, whose spectrum is what
            # rounding leaves, it would depend on how many windows there are.
            squares = ops.square(tf.matmul(frames, filters))
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

        Keras' own compiles each with XLA, and is ten times as slow on a processor.
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
            convolve = partial(tf.nn.conv2d, strides=self.stride, padding=padding)
            return _convolved(x, tf.convert_to_tensor(self.kernel), convolve, self.groups)

    return GroupedConvolution


def _convolved(x: Any, kernel: Any, convolve: Callable[[Any, Any], Any], groups: int) -> Any:
    """All groups at once, and their gradients, which TensorFlow lacks on a processor, apart."""
    import tensorflow as tf

    @tf.custom_gradient
    def at_once(x: Any, kernel: Any) -> Any:
        def gradients(upstream: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch([x, kernel])
                parts = (tf.split(of, groups, axis=-1) for of in (x, kernel))
                apart = tf.concat(list(map(convolve, *parts)), axis=-1)
            return tape.gradient(apart, [x, kernel], upstream)

        return convolve(x, kernel), gradients

    return at_once(x, kernel)
