"""YAMNet as TF Hub gives it, and what is taken out of it; the only place that needs TensorFlow."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from faunashot.backbones.base import FloatArray
from faunashot.errors import WeightsError
from faunashot.native import quiet_native
from faunashot.runtimes.hub import model_folder
from faunashot.runtimes.keras_network import settle_tensorflow

HANDLE = "https://tfhub.dev/google/yamnet/1"


class Published:
    """The published model, which takes one waveform at a time, and its parts.

    Parameters
    ----------
    folder : Path
        Of the SavedModel.

    Raises
    ------
    WeightsError
        The folder holds no model, or one that is not YAMNet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        settle_tensorflow()
        with quiet_native(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow as tf
            import tensorflow_hub as hub

            try:
                self._model = hub.load(str(folder))
            except Exception as error:  # whatever hub and TensorFlow raise
                reason = " ".join(str(error).split())
                raise WeightsError(f"yamnet: {folder} cannot be loaded ({reason})") from error
            try:
                self.variables: dict[str, FloatArray] = {
                    v.name.split(":")[0]: v.numpy() for v in self._model._yamnet.variables
                }
                self.kernel = self.variables["logits/kernel"]
                self.bias = self.variables["logits/bias"]
            except (AttributeError, KeyError) as error:
                raise self._other(error) from error
        self._tf = tf

    def __call__(self, waveform: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Scores, (N, 521), and embeddings, (N, 1024), of a 16 kHz waveform, (n,)."""
        scores, embeddings, _ = self._model(waveform)
        return scores.numpy(), embeddings.numpy()

    @cached_property
    def _body(self) -> Any:
        try:
            return _cut(self._tf, self._model)
        except (AttributeError, StopIteration, KeyError) as error:
            raise self._other(error) from error

    def _other(self, error: Exception) -> WeightsError:
        return WeightsError(f"yamnet: {self._folder} is not YAMNet as published ({error})")

    def network(self) -> Callable[[FloatArray], FloatArray]:
        """Its network in TensorFlow, for a GPU: patches, (N, 96, 64), to embeddings, (N, 1024)."""
        body, tf = self._body, self._tf
        return lambda patches: np.asarray(body(tf.constant(patches[..., None])))

    def convert(self) -> bytes:
        """Its network as a LiteRT model, from patches, (N, 96, 64, 1), to embeddings."""
        cut, tf = self._body, self._tf
        signature = [tf.TensorSpec([None, 96, 64, 1], tf.float32)]
        body = tf.function(lambda x: cut(x), input_signature=signature)
        with quiet_native():
            converter = tf.lite.TFLiteConverter.from_concrete_functions(
                [body.get_concrete_function()], self._model
            )
            return bytes(converter.convert())


def yamnet_variables(handle: str = HANDLE) -> dict[str, FloatArray]:
    """Variables of the published model by name, such as ``layer7/pointwise_conv/bn/beta``.

    Raises
    ------
    WeightsError
        The model is neither in the cache nor reachable, or is not YAMNet.
    """
    return Published(model_folder(handle)).variables


def _cut(tf: Any, model: Any) -> Any:
    """The published graph from its patches, (N, 96, 64, 1), to the embedding.

    The first convolution reads the patches. Freezing inlines the graph's functions; control edges
    to the waveform's placeholder are dropped, because nothing flows along them.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    waveform = tf.TensorSpec([None], tf.float32)
    frozen = convert_variables_to_constants_v2(
        tf.function(lambda x: model(x)).get_concrete_function(waveform)
    )
    operations = frozen.graph.get_operations()
    patches = next(op for op in operations if op.type == "Conv2D").inputs[0].name
    embedding = frozen.outputs[1].name
    graph = frozen.graph.as_graph_def()
    for node in graph.node:
        data = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(data)

    def body(x: Any) -> Any:
        return tf.compat.v1.import_graph_def(
            graph, input_map={patches: x}, return_elements=[embedding]
        )[0]

    return tf.compat.v1.wrap_function(body, [tf.TensorSpec([None, 96, 64, 1], tf.float32)])
