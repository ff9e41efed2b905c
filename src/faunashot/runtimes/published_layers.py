"""Keras layers by the names that a network's authors gave their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

EPSILON = 1e-5
"""Of PyTorch's normalisations; Keras' own is a hundred times as large."""

MOMENTUM = 0.9
"""Of the same: what a batch in training leaves of the statistics so far."""

COUNTER = ".num_batches_tracked"
"""How names of tensors of PyTorch's normalisations end that nothing is computed from."""


@dataclass
class PublishedLayers:
    """Makes the layers of a network, and notes which published tensor each variable holds.

    Images are (N, height, width, channels), signals (N, time, channels). Padding is symmetric, as
    PyTorch's: Keras' own "same" is not where the stride is above 1.

    Attributes
    ----------
    precision : str
        Keras' dtype policy.
    blocks : list of dict
        Variables by published name, a mapping for each part of the network that is trained at a
        rate of its own, from the lowest.
    drops : bool
        Whether `dropout` drops anything: where a network is trained from the start.
    """

    precision: str = "float32"
    blocks: list[dict[str, Any]] = field(default_factory=list)
    drops: bool = False

    def block(self) -> None:
        """Begin the next part."""
        self.blocks.append({})

    def note(self, layer: Any, x: Any, **names: str) -> Any:
        """Apply a layer; its attributes `names` hold the tensors of these names."""
        result = layer(x)
        self.blocks[-1] |= {name: getattr(layer, of) for of, name in names.items()}
        return result

    def conv(
        self,
        x: Any,
        name: str,
        filters: int,
        size: int | tuple[int, ...],
        *,
        stride: int = 1,
        pad: int | tuple[int, ...] = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ) -> Any:
        """A convolution of an image or of a signal, whichever `x` is."""
        from keras import layers

        x = self._padded(x, name, pad)
        made = (layers.Conv2D if len(x.shape) == 4 else layers.Conv1D)(
            filters,
            size,
            stride,
            dilation_rate=dilation,
            groups=groups,
            use_bias=bias,
            dtype=self.precision,
            name=_plain(name),
        )
        return self._weighted(made, x, name)

    def depthwise(
        self,
        x: Any,
        name: str,
        size: int | tuple[int, int],
        *,
        stride: int = 1,
        pad: int | tuple[int, ...] = 0,
        bias: bool = False,
    ) -> Any:
        """A convolution of each channel of an image by itself."""
        from keras import layers

        x = self._padded(x, name, pad)
        made = layers.DepthwiseConv2D(
            size, stride, use_bias=bias, dtype=self.precision, name=_plain(name)
        )
        return self._weighted(made, x, name)

    def batch_norm(self, x: Any, name: str, *, epsilon: float = EPSILON) -> Any:
        """Batch normalisation of the last axis, its statistics as they are."""
        from keras import layers

        made = layers.BatchNormalization(
            momentum=MOMENTUM, epsilon=epsilon, dtype=self.precision, name=_plain(name)
        )
        return self.note(
            made,
            x,
            gamma=f"{name}.weight",
            beta=f"{name}.bias",
            moving_mean=f"{name}.running_mean",
            moving_variance=f"{name}.running_var",
        )

    def dropout(self, x: Any, rate: float) -> Any:
        """Drop a share of the values in training, if the network is to drop any."""
        from keras import layers

        return layers.Dropout(rate, dtype=self.precision)(x) if self.drops else x

    def layer_norm(self, x: Any, name: str, *, epsilon: float = EPSILON) -> Any:
        """Layer normalisation of the last axis."""
        from keras import layers

        made = layers.LayerNormalization(epsilon=epsilon, dtype=self.precision, name=_plain(name))
        return self.note(made, x, gamma=f"{name}.weight", beta=f"{name}.bias")

    def dense(self, x: Any, name: str, units: int, *, bias: bool = True) -> Any:
        """A dense layer on the last axis."""
        from keras import layers

        made = layers.Dense(units, use_bias=bias, dtype=self.precision, name=_plain(name))
        return self._weighted(made, x, name)

    def _padded(self, x: Any, name: str, pad: int | tuple[int, ...]) -> Any:
        from keras import layers

        if not pad:
            return x
        zeros = layers.ZeroPadding2D if len(x.shape) == 4 else layers.ZeroPadding1D
        return zeros(pad, dtype=self.precision, name=f"{_plain(name)}_pad")(x)

    def _weighted(self, layer: Any, x: Any, name: str) -> Any:
        """Apply a layer whose kernel is ``NAME.weight``, and its bias, if any, ``NAME.bias``."""
        bias = {"bias": f"{name}.bias"} if layer.use_bias else {}
        return self.note(layer, x, kernel=f"{name}.weight", **bias)


def from_torch(
    tensors: Mapping[str, npt.NDArray[Any]], variables: Mapping[str, Any]
) -> dict[str, npt.NDArray[Any]]:
    """Tensors in the layout of Keras, without PyTorch's counts of the batches in training.

    PyTorch has the outputs of a kernel first, Keras last; of a convolution of each channel by
    itself Keras has the channel before its one output.

    Parameters
    ----------
    tensors : mapping
        In PyTorch's layout, by name.
    variables : mapping
        Keras' variables by the same names; tensors without one stay as they are.
    """
    return {
        name: _turned(array, variables[name]) if name in variables else array
        for name, array in tensors.items()
        if not name.endswith(COUNTER)
    }


def _turned(array: npt.NDArray[Any], variable: Any) -> npt.NDArray[Any]:
    if variable.name != "kernel" or array.ndim < 2:
        return array
    turned = array.transpose(*range(2, array.ndim), 1, 0)
    by_itself = array.ndim == 4 and array.shape[1] == 1 and turned.shape != tuple(variable.shape)
    return np.asarray(array.transpose(2, 3, 0, 1) if by_itself else turned)


def _plain(name: str) -> str:
    """A name that Keras takes."""
    return name.replace(".", "_")
