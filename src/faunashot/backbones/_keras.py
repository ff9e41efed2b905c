"""Backbones whose network is built in Keras, and takes the tensors that its authors publish."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from faunashot.backbones._conversion import CHECK, MODEL, convert
from faunashot.backbones.base import Backbone, FloatArray, default_layer
from faunashot.errors import WeightsError
from faunashot.files import sha256_of
from faunashot.native import quiet_native
from faunashot.runtimes.converted import converted
from faunashot.runtimes.keras_network import Network as KerasNetwork
from faunashot.runtimes.litert import LiteRt, on_gpu
from faunashot.runtimes.litert import Network as Run
from faunashot.runtimes.once import Once
from faunashot.weights.files import WeightsFile, file_here, locate
from faunashot.weights.tensors import Tensors, read_tensors

PACKAGES = ("ai-edge-litert", "h5py", "keras", "librosa", "safetensors", "tensorflow")
"""What a network in Keras needs when it is served."""

CHECK_TOLERANCE = 1e-4
"""Of the largest number: what a converted network may differ from the one it was made from."""


@dataclass(frozen=True)
class Encoder:
    """A network from what its front end gives to its embeddings.

    Attributes
    ----------
    inputs : KerasTensor
    outputs : mapping of str to KerasTensor
        Embeddings by layer, shape (N, dim).
    blocks : list of dict
        Variables by published name, of each part that is trained at a rate of its own, from the
        lowest.
    """

    inputs: Any
    outputs: Mapping[str, Any]
    blocks: list[dict[str, Any]]


class KerasBackbone(Backbone):
    """A network in Keras: frozen it runs in LiteRT, or on a GPU in TensorFlow.

    Parameters
    ----------
    hop_s : float
        Step between windows in seconds.
    weights : str
        A file of the same tensors in place of the published one.

    Attributes
    ----------
    published : WeightsFile
    unused : tuple of str
        How names of published tensors start that the network has no use for.
    classifiers : mapping of str to (int, int)
        Published dense layers beside the network: outputs and inputs by name.
    frozen : int
        Lowest parts that are not trained, unless the training is told otherwise.
    revision : int
        Changes when the network is built otherwise from the same tensors.

    Raises
    ------
    WeightsError
        The file is not here and cannot be had, or holds other tensors.
    """

    runtime = "LiteRT"
    published: ClassVar[WeightsFile]
    unused: ClassVar[tuple[str, ...]] = ()
    classifiers: ClassVar[Mapping[str, tuple[int, int]]] = {}
    frozen: ClassVar[int] = 0
    revision: ClassVar[int] = 1

    def __init__(self, *, hop_s: float, weights: str = "") -> None:
        self.front_end = self.front_end_class(hop_s=hop_s)
        if weights and not Path(weights).is_file():
            raise WeightsError(f"{self.card.name}: {weights} is not there")
        self._file = Path(weights) if weights else locate(self.published)
        self.weights_hash = sha256_of(self._file)
        self._networks: dict[tuple[str, ...], Once[Run]] = {}

    @classmethod
    def weights_here(cls) -> Path | None:
        """As `Backbone.weights_here`."""
        found = file_here(cls.published)
        return locate(cls.published) if found is None and not cls.published.url else found

    @classmethod
    @abstractmethod
    def encoder(cls, precision: str) -> Encoder:
        """The network, with weights that are drawn."""

    def made(self, precision: str) -> Encoder:
        """The network as its options want it, with weights that are drawn."""
        return self.encoder(precision)

    @property
    def made_with(self) -> dict[str, Any]:
        """Options that another process makes the same backbone with."""
        return {"hop_s": self.front_end.hop_s, "weights": str(self._file)}

    @property
    def variant(self) -> str:
        """What the name of its converted network says of options that the network depends on."""
        return ""

    @classmethod
    def arranged(cls, tensors: Tensors, variables: Mapping[str, Any]) -> Tensors:
        """Published tensors as Keras' variables hold them, here in PyTorch's layout."""
        from faunashot.runtimes.published_layers import from_torch

        return from_torch(tensors, variables)

    @classmethod
    def named(cls, tensors: Tensors) -> Tensors:
        """What a file holds, by the names that the network has for it; here those of the file.

        Raises
        ------
        WeightsError
            It is of another variant, whose tensors have the same names and shapes.
        """
        return tensors

    @cached_property
    def tensors(self) -> Tensors:
        """What the file holds, by name; read anew by each call that changes the network."""
        found = read_tensors(self._file)
        with self._naming_the_file():
            return self.named(found)

    def embed(self, inputs: FloatArray, *, layer: str = "") -> FloatArray:
        """Embed what the front end gave, (N, ...) -> (N, dim)."""
        return self.embed_layers(inputs, layers=[layer or default_layer(self)])

    def embed_layers(self, inputs: FloatArray, *, layers: Sequence[str]) -> FloatArray:
        """Embed into several layers in one run, (N, ...) -> (N, sum of their dims)."""
        wanted = tuple(layers)
        return self._networks.setdefault(wanted, Once(partial(self._network, wanted)))()(inputs)

    def build(self, n_targets: int, *, seed: int) -> Any:
        """The network with its published weights and a classifier of `n_targets`, to be trained.

        Returns a `faunashot.runtimes.keras_network.LayeredNetwork`.
        """
        from faunashot.runtimes.keras_network import (
            CLASSIFIER,
            settle_tensorflow,
            training_precision,
            with_classifier,
        )

        settle_tensorflow()
        precision = training_precision()
        encoder = self.made(precision)
        network = with_classifier(
            encoder.inputs,
            encoder.outputs[default_layer(self)],
            encoder.blocks,
            n_targets,
            seed=seed,
            precision=precision,
            frozen=self.frozen,
            marked=self.front_end_class.marked,
        )
        self._fill(network, but=CLASSIFIER)
        return network

    def _fill(self, network: KerasNetwork, *, but: Sequence[str] = ()) -> None:
        """Give a network the tensors of the file."""
        tensors = self._wanted(network.variables)
        with self._naming_the_file():
            network.assign(tensors, but=but)

    @contextmanager
    def _naming_the_file(self) -> Iterator[None]:
        """Errors of what the file holds name it."""
        try:
            yield
        except WeightsError as error:
            raise WeightsError(f"{self.card.name}: {self._file}: {error}") from error

    def _wanted(self, variables: Mapping[str, Any]) -> Tensors:
        beside = (*self.unused, *(f"{name}." for name in self.classifiers))
        wanted = {n: a for n, a in self.tensors.items() if not n.startswith(beside)}
        return self.arranged(wanted, variables)

    def _network(self, layers: tuple[str, ...]) -> Run:
        """What gives these layers side by side."""
        if on_gpu():
            model, tf = self._keras(layers)
            call = tf.function(partial(model, training=False), reduce_retracing=True)
            return lambda inputs: np.asarray(call(tf.constant(inputs)))
        return converted(
            f"{self.card.name}-{'+'.join(layers)}-{self.revision}{self.variant}",
            self.weights_hash,
            write=partial(self._convert, layers),
            read=partial(self._read, layers),
        )

    def _keras(self, layers: tuple[str, ...]) -> tuple[Any, Any]:
        """A Keras model of layers with the published weights, and TensorFlow."""
        from faunashot.runtimes.keras_network import settle_tensorflow

        settle_tensorflow()
        with quiet_native():
            import tensorflow as tf
            from keras import Model, ops

            encoder = self.made("float32")
            outputs = [encoder.outputs[layer] for layer in layers]
            output = ops.concatenate(outputs, axis=1) if len(outputs) > 1 else outputs[0]
        variables = {name: v for block in encoder.blocks for name, v in block.items()}
        network = KerasNetwork(Model(encoder.inputs, output), variables)
        self._fill(network)
        self.__dict__.pop("tensors", None)  # hundreds of megabytes, which the network has now
        return network.model, tf

    def _convert(self, layers: tuple[str, ...], folder: Path) -> None:
        """Write a LiteRT model, and what the network gave in TensorFlow, into a folder."""
        convert(self, self.made_with, layers, folder)

    def save(self, layers: tuple[str, ...], folder: Path) -> None:
        """Write a SavedModel of layers, and what it gave of a window of noise, into a folder."""
        model, tf = self._keras(layers)
        shape = [None, *model.inputs[0].shape[1:]]
        # A function frees what was used; a model that is called keeps all that its layers give.
        call = tf.function(
            partial(model, training=False), input_signature=[tf.TensorSpec(shape, tf.float32)]
        )
        np.savez(folder / CHECK, expected=np.asarray(call(self._checked_inputs())))
        module = tf.Module()
        module.held = [variable.value for variable in model.variables]
        with quiet_native():
            tf.saved_model.save(module, folder, signatures=call.get_concrete_function())

    def _read(self, layers: tuple[str, ...], folder: Path) -> Run:
        network = LiteRt((folder / MODEL).read_bytes())
        with np.load(folder / CHECK) as kept:
            expected = kept["expected"]
        found = network(self._checked_inputs())
        ends = np.cumsum([self.layers[layer] for layer in layers])[:-1]
        parts = (np.split(of, ends, axis=1) for of in (found, expected))
        for layer, ours, theirs in zip(layers, *parts, strict=True):
            off = float(np.abs(ours - theirs).max())
            if not off <= CHECK_TOLERANCE * float(np.abs(theirs).max()):
                raise WeightsError(f"{self.card.name}: LiteRT's {layer} is {off:.1e} off")
        return partial(each_alone, network)

    def _checked_inputs(self) -> FloatArray:
        rng = np.random.default_rng(0)
        window = rng.normal(0, 0.1, self.front_end.window_samples).astype(np.float32)
        return self.front_end(window)[:1]


def each_alone(network: Run, inputs: FloatArray) -> FloatArray:
    """Rows of inputs through a network, one at a time, (N, ...) -> (N, dim).

    On one thread that is as fast as all at once, takes the memory of one, and no row can depend on
    how many there are.
    """
    return np.concatenate([network(inputs[at : at + 1]) for at in range(len(inputs))])


def dense(tensors: Tensors, name: str, inputs: npt.NDArray[Any]) -> FloatArray:
    """A published dense layer in PyTorch's layout, (N, in) -> (N, out)."""
    kernel, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    return np.asarray(inputs.astype(np.float32) @ kernel.T + bias)
