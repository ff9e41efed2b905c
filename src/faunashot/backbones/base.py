"""What a backbone is: a pretrained network that turns windows of audio into embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from faunashot import options
from faunashot.errors import ParameterError
from faunashot.frontends.base import FrontEnd
from faunashot.registry import Registry

FloatArray = npt.NDArray[np.float32]

BACKBONES: Registry[Backbone] = Registry(
    "backbone",
    "faunashot.backbones",
    contract="faunashot.backbones.base:Backbone",
    declared="faunashot.backbones._declared.sources:declared",
)
"""Backbones by name: one module each, or one YAML file that declares a network to be run as is."""


@dataclass(frozen=True)
class Card:
    """Where a backbone comes from, known before any weights are loaded.

    Attributes
    ----------
    name : str
        Key in the registry.
    version : str
        Of the published model.
    licence, citation, source : str
        Of the weights.
    trained_on : str
        What it may have heard of a target corpus before.
    packages : tuple of str
        Python packages that it needs when it is served.
    """

    name: str
    version: str
    licence: str
    citation: str
    source: str
    trained_on: str
    packages: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a network costs, from what its front end gives to its default layer.

    Attributes
    ----------
    parameters : int, optional
        Numbers that it holds, those of normalisation among them; None where nobody states them.
    macs : int, optional
        Multiplications with an addition for one window, of matrix products and convolutions alone.
    """

    parameters: int | None = None
    macs: int | None = None


class Backbone(ABC):
    """Contract of a backbone.

    Making one finds and hashes its weights, and loads nothing: the network is loaded when it first
    has something to embed, so that features that are in the cache cost no loading.

    Attributes
    ----------
    card : Card
    runtime : str
        What runs it on a processor.
    cost : Cost
    Options : type
        Its block in ``params.yaml``, with defaults; ``hop_s`` among them.
    layers : mapping of str to int
        Length of the embedding by the name of its layer; the first layer is the default.
    batch_size : int
        Windows for the network at once, where it is fastest within bounded memory.
    class_layer : str
        Whose embeddings the logits of its own classes are made from; empty for the default layer.
    front_end_class : type
        Of `front_end`: its rate and window are known before any weights are.
    front_end : FrontEnd
        What gives the network's inputs.
    weights_hash : str
        SHA-256 of the published weights, and of what its options make of them; features carry it.
    other_runtime : str
        The runtime that its options name; empty for the usual one. Features of another one differ.
    other_packages : tuple of str
        Python packages that it needs beside those of the card.
    """

    card: ClassVar[Card]
    runtime: ClassVar[str] = ""
    cost: ClassVar[Cost] = Cost()
    Options: ClassVar[type[options.Options]]
    layers: ClassVar[Mapping[str, int]]
    batch_size: ClassVar[int] = 32
    class_layer: ClassVar[str] = ""

    front_end_class: ClassVar[type[FrontEnd]]
    front_end: FrontEnd
    weights_hash: str
    other_runtime: str = ""
    other_packages: tuple[str, ...] = ()

    @classmethod
    def weights_here(cls) -> Path | None:
        """File or folder of the published weights; None where their first use brings them.

        Nothing is downloaded.

        Raises
        ------
        WeightsError
            They are not here, and will not come by themselves; it says what brings them.
        """
        return None

    @abstractmethod
    def embed(self, inputs: FloatArray, *, layer: str) -> FloatArray:
        """Embed what the front end gave, (N, ...) -> (N, dim of the layer).

        May be called from several threads at once. A row of the result depends on no other row, to
        the last bit.
        """

    def embed_layers(self, inputs: FloatArray, *, layers: Sequence[str]) -> FloatArray:
        """Embed into several layers at once, (N, ...) -> (N, sum of their dims), side by side.

        To the last bit what `embed` gives of each. A network that gives several outputs in one run
        does it here in one run.
        """
        return np.hstack([self.embed(inputs, layer=layer) for layer in layers])


@dataclass(frozen=True)
class ClassList:
    """The classes of a backbone's own classifier.

    Attributes
    ----------
    vocabulary : str
        Table of class maps that the names belong to, such as ``audioset``.
    names : tuple of str
    several : "geometric" or "max"
        How the scores of several names that stand for one class are put together: "geometric"
        where they are heard together (Dog, Bark), so that each bears witness: of the mean, the
        geometric mean, the maximum and the chance of any, this tells ESC-50's environment classes
        apart best. "max" where they are kinds of it (species), of which one is heard at a time.
    """

    vocabulary: str
    names: tuple[str, ...]
    several: Literal["geometric", "max"]


@runtime_checkable
class HasClasses(Protocol):
    """A backbone that has classes of its own."""

    class_list: ClassList

    def logits(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Logits of its classes from embeddings of `Backbone.class_layer`, (N, dim) -> (N, C).

        Of embeddings, not of inputs: those are stored, so that nothing is embedded anew.
        """


@runtime_checkable
class HasText(Protocol):
    """A backbone that embeds text into the space of its audio, such as CLAP.

    Attributes
    ----------
    text_scale : float
        What cosines of audio and text are multiplied by before the softmax, as it was trained.
    """

    text_scale: float

    def embed_text(self, prompts: Sequence[str]) -> FloatArray:
        """Embeddings of texts, (P, dim of the default layer)."""


@runtime_checkable
class Trainable(Protocol):
    """A backbone whose layers can be trained further."""

    build: Callable[..., Any]
    """``build(n_targets, *, seed)``: its network with its weights and a classifier to learn."""


def default_layer(kind: type[Backbone] | Backbone) -> str:
    """Name of the layer whose embedding is taken unless another is named."""
    return next(iter(kind.layers))


def load(name: str, **options: Any) -> Backbone:
    """Make the backbone `name`; `options` are its block in ``params.yaml``.

    Raises
    ------
    ParameterError
        There is none, or an option is unknown or out of range.
    WeightsError
        Its weights are not here, and cannot be had.
    """
    kind: Any = BACKBONES[name]
    read = kind.Options.read(options, key=f"backbones.{name}")
    backbone: Backbone = kind(**read.model_dump())
    return backbone


def offering(method: str) -> list[str]:
    """Backbones that have a method: ``build``, to be trained; ``logits``, ``embed_text``."""
    return [name for name, kind in BACKBONES.classes().items() if hasattr(kind, method)]


def own_classes(backbone: Backbone) -> HasClasses:
    """The backbone as one that has classes of its own.

    Raises
    ------
    ParameterError
        It has none.
    """
    if not isinstance(backbone, HasClasses):
        raise ParameterError(
            f"backbone: {backbone.card.name} has no classes of its own; use "
            f"{' or '.join(offering('logits'))}"
        )
    return backbone


def reading(backbone: Backbone) -> HasText:
    """The backbone as one that reads text.

    Raises
    ------
    ParameterError
        It does not.
    """
    if not isinstance(backbone, HasText):
        raise ParameterError(
            f"backbone: {backbone.card.name} reads no text; use "
            f"{' or '.join(offering('embed_text'))}"
        )
    return backbone


def class_scores(backbone: Backbone, embeddings: npt.NDArray[Any]) -> FloatArray:
    """Sigmoid scores of a backbone's own classes, (N, dim) -> (N, C).

    Raises
    ------
    ParameterError
        It has no classes of its own.
    """
    from scipy.special import expit

    return np.asarray(expit(own_classes(backbone).logits(embeddings)), dtype=np.float32)
