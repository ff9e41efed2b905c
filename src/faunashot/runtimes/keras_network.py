"""A Keras network whose variables, and layers where it is trained by depth, are known by name."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import WeightsError
from faunashot.native import quiet_native

CLASSIFIER = ("standard/", "logits/")
"""How names of the variables of a `LayeredNetwork`'s classifier begin."""

LISTED = 6
"""Names of tensors that a message lists."""


@dataclass(frozen=True)
class Network:
    """A Keras model with its variables.

    Attributes
    ----------
    model : keras.Model
        What it reads, shape (N, ...), to logits of the classes, shape (N, C).
    variables : mapping of str to keras.Variable
        By name, those of batch normalisation and of what draws at random included.
    """

    model: Any
    variables: Mapping[str, Any]

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Values of all variables by name."""
        return {name: np.array(v.numpy()) for name, v in self.variables.items()}

    def assign(self, arrays: Mapping[str, npt.NDArray[Any]], *, but: Sequence[str] = ()) -> None:
        """Set the variables from arrays by name; those that start with one of `but` stay.

        Raises
        ------
        WeightsError
            The arrays are those of another network.
        """
        ours = {n: v for n, v in self.variables.items() if not n.startswith(tuple(but))}
        given = {n: a for n, a in arrays.items() if not n.startswith(tuple(but))}
        wrong = [
            f"they {what} {_listed(names)}"
            for what, names in (("lack", ours.keys() - given), ("have", given.keys() - ours))
            if names
        ]
        if wrong:
            raise WeightsError(f"the weights are of another network: {', and '.join(wrong)}")
        for name, variable in ours.items():
            if variable.shape != given[name].shape:
                raise WeightsError(
                    f"the weights are of another network: {name} has shape {given[name].shape}, "
                    f"not {tuple(variable.shape)}"
                )
        for name, variable in ours.items():
            variable.assign(given[name])


@dataclass(frozen=True)
class LayeredNetwork(Network):
    """A pretrained network with a classifier on its embedding, which is trained by depth.

    The classifier is ``standard``, a batch normalisation without scale and centre that
    standardises the embedding, and ``logits``, a dense layer. It is called with ``training=False``,
    but by a training that lets statistics of batch normalisation learn.

    Attributes
    ----------
    body : keras.Model
        What it reads to embeddings, shape (N, dim).
    layers : list of dict
        Variables of each layer by their published names, from the lowest to the classifier, whose
        are standard/moving_mean, standard/moving_variance, logits/kernel and logits/bias.
    precision : str
        Keras' dtype policy; variables are float32 in any.
    frozen : int
        Lowest layers that stay as they are, unless the training is told otherwise.
    marked : bool
        Whether the last column of what it reads is no band, but marks the frames that are of the
        recording.
    """

    body: Any
    layers: list[dict[str, Any]]
    precision: str
    frozen: int = 0
    marked: bool = False

    def classifier(self) -> LayeredNetwork:
        """The classifier alone, which reads embeddings; its variables are those of the network."""
        from keras import Input, Model

        own = self.layers[-1]
        ids = {id(variable) for variable in own.values()}
        logits = embeddings = Input(self.body.output_shape[1:])
        for layer in self.model.layers:
            if ids & {id(variable) for variable in layer.variables}:
                logits = layer(logits)
        return LayeredNetwork(
            Model(embeddings, logits),
            own,
            Model(embeddings, embeddings),
            [own],
            "float32",
        )


def _listed(names: Collection[str]) -> str:
    first = ", ".join(sorted(names)[:LISTED])
    return first if len(names) <= LISTED else f"{first} and {len(names) - LISTED} more"


def with_classifier(
    inputs: Any,
    embedding: Any,
    blocks: Sequence[dict[str, Any]],
    n_targets: int,
    *,
    seed: int,
    precision: str,
    frozen: int = 0,
    marked: bool = False,
) -> LayeredNetwork:
    """Put a classifier that is drawn onto the embedding of a pretrained network.

    Parameters
    ----------
    inputs, embedding : KerasTensor
        What the network reads, and its embedding, shape (N, dim).
    blocks : sequence of dict
        Variables of each layer by published name, from the lowest.
    n_targets : int
        Outputs of the classifier.
    seed : int
        Of its weights.
    precision : str
        Keras' dtype policy of the network; the classifier is float32.
    frozen, marked : int, bool
        See `LayeredNetwork`.
    """
    from keras import Model, initializers, layers

    standard = layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, name="standard", dtype="float32"
    )
    drawn = initializers.HeUniform(seed=int(np.random.default_rng([seed, 0]).integers(2**31)))
    dense = layers.Dense(n_targets, kernel_initializer=drawn, name="logits", dtype="float32")
    logits = dense(standard(embedding))
    classifier = {
        "standard/moving_mean": standard.moving_mean,
        "standard/moving_variance": standard.moving_variance,
        "logits/kernel": dense.kernel,
        "logits/bias": dense.bias,
    }
    parts = [*blocks, classifier]
    return LayeredNetwork(
        Model(inputs, logits),
        {name: variable for part in parts for name, variable in part.items()},
        Model(inputs, embedding),
        parts,
        precision,
        frozen,
        marked,
    )


def settle_tensorflow() -> None:
    """Keep TensorFlow quiet, and Keras on it whatever the user's own ``keras.json`` says.

    To be called before either is imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ |= {"KERAS_BACKEND": "tensorflow", "KERAS_HOME": os.devnull}


def deterministic_tensorflow(threads: int) -> Any:
    """TensorFlow, from here on with operations that give the same bits each time.

    Parameters
    ----------
    threads : int
        Of an operation; those of an earlier call stay.
    """
    settle_tensorflow()
    with quiet_native():
        import tensorflow as tf

        with suppress(RuntimeError):  # it runs already, with the threads it was given then
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.experimental.enable_op_determinism()
    return tf


def training_precision() -> str:
    """Keras' dtype policy to train in: half precision where there is a GPU."""
    import tensorflow as tf

    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"
