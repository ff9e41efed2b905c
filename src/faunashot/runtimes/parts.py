"""Parts of a network, which follow each other in one file, and how each is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from faunashot.errors import ParameterError
from faunashot.native import quiet_native
from faunashot.runtimes.graph import not_installed
from faunashot.runtimes.keras_network import settle_tensorflow

if TYPE_CHECKING:
    from onnx import ModelProto

EXTRA = "export"
"""The extra that brings what writes ONNX files and integers."""

OPSET = 17
"""Of ONNX files: the first whose normalisation is one operator, which all runtimes have."""

INPUT, OUTPUT = "input", "output"
"""Names of the tensors at the ends of a part in ONNX."""


class Part(ABC):
    """What leads from one tensor to another, a row a window."""

    @abstractmethod
    def litert(self, *, windows: int | None = 1) -> bytes:
        """The part as a LiteRT model of so many windows; None for any number."""

    @abstractmethod
    def onnx(self) -> ModelProto:
        """The part as an ONNX model of one window, from `INPUT` to `OUTPUT`."""


@dataclass(frozen=True)
class TensorFlowPart(Part):
    """A part that is written in TensorFlow.

    Attributes
    ----------
    call : callable
        From a tensor, shape (N, *shape), to another.
    shape : tuple of int
        Of a row that it reads.
    """

    call: Callable[[Any], Any]
    shape: tuple[int, ...]

    def litert(self, *, windows: int | None = 1) -> bytes:
        """As `Part.litert`, by TensorFlow's converter."""
        settle_tensorflow()
        with quiet_native():
            import tensorflow as tf
            from tensorflow.python.framework import convert_to_constants

            read = tf.TensorSpec([windows, *self.shape], tf.float32)
            function = tf.function(self.call).get_concrete_function(read)
            # variables of Keras would else be looked for when the file is loaded
            frozen = convert_to_constants.convert_variables_to_constants_v2(function)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], function)
            return bytes(converter.convert())

    def onnx(self) -> ModelProto:
        """As `Part.onnx`, by tf2onnx.

        Raises
        ------
        WeightsError
            tf2onnx is not installed.
        """
        settle_tensorflow()
        with quiet_native():
            import tensorflow as tf

            convert = _tf2onnx()
            model, _ = convert.from_function(
                tf.function(self.call),
                input_signature=[tf.TensorSpec([1, *self.shape], tf.float32)],
                opset=OPSET,
            )
        return _between_ends(model)


@dataclass(frozen=True)
class LiteRtPart(Part):
    """A part that is a LiteRT model already, of one input and one output."""

    model: bytes = field(repr=False)

    def litert(self, *, windows: int | None = 1) -> bytes:
        """The model, which reads as many windows as its reader resizes its input to."""
        return self.model

    def onnx(self) -> ModelProto:
        """As `Part.onnx`: nothing that is kept well writes it.

        Raises
        ------
        ParameterError
            Always.
        """
        raise ParameterError(
            "--format onnx: the network is published as a LiteRT file, which is not converted; "
            "use litert"
        )


def _tf2onnx() -> Any:
    import logging

    try:
        import tf2onnx
    except ImportError as error:
        raise not_installed("tf2onnx, which writes ONNX files,", EXTRA) from error
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    return tf2onnx.convert


def _between_ends(model: ModelProto) -> ModelProto:
    """The model with its one input and one output called `INPUT` and `OUTPUT`."""
    (source,), (result,) = model.graph.input, model.graph.output
    names = {source.name: INPUT, result.name: OUTPUT}
    for node in model.graph.node:
        for of in (node.input, node.output):
            of[:] = [names.get(name, name) for name in of]
    source.name, result.name = INPUT, OUTPUT
    return model
