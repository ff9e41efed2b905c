"""The backbone that a declaration makes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from faunashot.backbones._declared.declaration import (
    LOGITS,
    PACKAGES,
    RUNTIMES,
    Declaration,
    Text,
    read_declaration,
)
from faunashot.backbones._declared.fit import check_fit, output_of, pooled, source_of
from faunashot.backbones._declared.front_end import front_end_of
from faunashot.backbones._declared.located import hash_of, labels_of, model_here, model_of
from faunashot.backbones._options import window_options
from faunashot.backbones.base import Backbone, Card, ClassList, Cost, FloatArray, default_layer
from faunashot.errors import ParameterError, WeightsError
from faunashot.runtimes.graph import Graph
from faunashot.runtimes.once import Once
from faunashot.runtimes.transformers_text import TransformersText, scale_of


class Loaded(NamedTuple):
    """A network, the input that takes the samples, and the windows that it takes at once.

    `rows` is None where it takes any number, 0 where it takes a window without an axis of windows.
    """

    graph: Graph
    source: str
    rows: int | None


class DeclaredBackbone(Backbone):
    """A network that is run as its publisher gives it.

    Parameters
    ----------
    hop_s : float
        Step between windows in seconds.
    weights : str
        A file or folder in place of the published one.

    Attributes
    ----------
    declaration : Declaration
    file : Path
        That it was read from.

    Raises
    ------
    WeightsError
        The runtime is not installed, or the network is not here and cannot be had.
    """

    declaration: ClassVar[Declaration]
    file: ClassVar[Path]

    def __init__(self, *, hop_s: float, weights: str = "") -> None:
        self.front_end = self.front_end_class(hop_s=hop_s)
        self._model = model_of(self.declaration, self.file.parent, weights=weights)
        told = f"{hash_of(self._model)}{self.declaration.settings}"
        self.weights_hash = hashlib.sha256(told.encode()).hexdigest()
        self.loaded = Once(self._load)

    @classmethod
    def weights_here(cls) -> Path | None:
        """As `Backbone.weights_here`."""
        return model_here(cls.declaration, cls.file.parent)

    def embed(self, inputs: FloatArray, *, layer: str = "") -> FloatArray:
        """Embed windows of samples, (N, samples) -> (N, dim).

        Raises
        ------
        ParameterError
            The network is not as declared.
        WeightsError
            It cannot be loaded or run.
        """
        return self.embed_layers(inputs, layers=[layer or default_layer(self)])

    def embed_layers(self, inputs: FloatArray, *, layers: Sequence[str]) -> FloatArray:
        """Embed into several layers in one run, (N, samples) -> (N, sum of their dims).

        Raises as `embed` does.
        """
        declared = [(layer, self.declaration.layers[layer]) for layer in layers]
        try:
            graph = self.loaded().graph
            named = [output_of(graph, layer, output).name for layer, output in declared]
            outputs = list(dict.fromkeys(named))  # two layers may pool one output in two ways
            made = dict(zip(outputs, self._run(inputs, outputs), strict=True))
            parts = [
                pooled(made[name], len(inputs), layer=layer, output=output)
                for name, (layer, output) in zip(named, declared, strict=True)
            ]
        except (ParameterError, WeightsError) as error:
            raise self._of_file(error) from error
        return np.hstack(parts)

    def _run(self, inputs: FloatArray, outputs: Sequence[str]) -> list[FloatArray]:
        loaded = self.loaded()
        call = partial(loaded.graph, source=loaded.source, outputs=outputs)
        if loaded.rows is None:
            return call(self._laid_out(inputs))
        if loaded.rows == 0:
            rows = [call(window) for window in inputs]
            return [
                np.stack([row if row.ndim > 1 else row[None] for row in of])
                for of in zip(*rows, strict=True)
            ]
        parts = []
        for at in range(0, len(inputs), loaded.rows):
            part = inputs[at : at + loaded.rows]
            full = np.zeros((loaded.rows, inputs.shape[1]), np.float32)
            full[: len(part)] = part
            parts.append([of[: len(part)] for of in call(self._laid_out(full))])
        return [np.concatenate(of) for of in zip(*parts, strict=True)]

    def _laid_out(self, windows: FloatArray) -> FloatArray:
        axis = {"NCT": 1, "NTC": 2}.get(self.declaration.input.layout)
        return windows if axis is None else np.expand_dims(windows, axis)

    def _load(self) -> Loaded:
        try:
            graph = _graph(self.declaration, self._model)
            check_fit(graph, self.declaration)
            port = source_of(graph, self.declaration)
        except (ParameterError, WeightsError) as error:
            raise self._of_file(error) from error
        if self.declaration.input.layout == "T":
            return Loaded(graph, port.name, 0)
        return Loaded(graph, port.name, port.shape[0] if port.shape else None)

    def _of_file(self, error: ParameterError | WeightsError) -> ParameterError | WeightsError:
        """The error with the name of the file, which it has once."""
        prefix = f"{self.file.name}: "
        return error if str(error).startswith(prefix) else type(error)(f"{prefix}{error}")


class DeclaredWithClasses(DeclaredBackbone):
    """One whose network has classes of its own; they are its layer ``logits``."""

    class_layer = LOGITS

    @cached_property
    def class_list(self) -> ClassList:
        """Its classes, in the order of the outputs."""
        classes = self.declaration.classes
        assert classes is not None
        try:
            names = labels_of(classes, self.file.parent, self._model)
        except (ParameterError, WeightsError) as error:
            raise self._of_file(error) from error
        return ClassList(classes.vocabulary or self.card.name, names, several=classes.several)

    def logits(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Logits of its classes from embeddings of the layer ``logits``, which they are.

        Raises
        ------
        ParameterError
            The embeddings are of another layer.
        """
        dim = self.layers[LOGITS]
        if embeddings.shape[1] != dim:
            raise ParameterError(
                f"layer: the classes of {self.card.name} are its layer {LOGITS}: set layer={LOGITS}"
            )
        return np.asarray(embeddings, dtype=np.float32)


class DeclaredWithText(DeclaredBackbone):
    """One whose model has a tower for texts, too, which is loaded when it first has one to read."""

    def embed_text(self, prompts: Sequence[str]) -> FloatArray:
        """Embeddings of texts, not normalised, (P, dim of the default layer).

        Raises
        ------
        ParameterError
            A text is longer than the model takes, or the tower is not as declared.
        WeightsError
            It cannot be loaded or run.
        """
        dim = self.layers[default_layer(self)]
        try:
            made = self._reader.embed(prompts, output=self._text.name)
            if made.shape[1] != dim:
                raise ParameterError(
                    f"text.name: {self._text.name} has {made.shape[1]} numbers, and the layer "
                    f"{default_layer(self)} has {dim}"
                )
        except (ParameterError, WeightsError) as error:
            raise self._of_file(error) from error
        return made

    @cached_property
    def text_scale(self) -> float:
        """What cosines of audio and text are multiplied by, as it was trained."""
        scale = self._text.scale
        try:
            return scale_of(self._model, scale) if isinstance(scale, str) else scale
        except WeightsError as error:
            raise self._of_file(error) from error

    @property
    def _text(self) -> Text:
        assert self.declaration.text is not None
        return self.declaration.text

    @cached_property
    def _reader(self) -> TransformersText:
        return TransformersText(self._model, model_class=self._text.model_class)


def backbone_of(file: Path) -> type[DeclaredBackbone]:
    """The backbone that a file declares, called like the file; no weights are looked for.

    Parameters
    ----------
    file : Path
        YAML, see docs/BACKBONES.md.

    Raises
    ------
    ParameterError
        It cannot be read, or something in it is wrong.
    """
    declaration = read_declaration(file)
    offers: list[type[DeclaredBackbone]] = []
    if declaration.classes is not None:
        offers.append(DeclaredWithClasses)
    if declaration.text is not None:
        offers.append(DeclaredWithText)
    facts: dict[str, Any] = {
        "declaration": declaration,
        "file": file,
        "front_end_class": front_end_of(declaration),
        "card": _card(file.stem, declaration),
        "runtime": RUNTIMES[declaration.runtime],
        "cost": Cost(parameters=declaration.parameters),
        "layers": {layer: output.dim for layer, output in declaration.layers.items()},
        "batch_size": declaration.batch_size,
        "Options": window_options(declaration.window_s, hop_s=declaration.step_s, shortest_s=0.001),
        "__doc__": declaration.description or f"{file.stem}, as declared in {file.name}.",
        "__module__": __name__,
    }
    return type(f"Declared_{file.stem}", (*offers,) or (DeclaredBackbone,), facts)


def _card(name: str, declaration: Declaration) -> Card:
    weights = declaration.weights
    handle = weights.handle
    if declaration.runtime == "transformers" and handle.count("/") == 1:
        handle = f"https://huggingface.co/{handle}"
    return Card(
        name=name,
        version=declaration.version,
        licence=declaration.licence,
        citation=declaration.citation,
        source=declaration.source or weights.url or handle or weights.file,
        trained_on=declaration.trained_on,
        packages=PACKAGES[declaration.runtime],
    )


def _graph(declaration: Declaration, model: Path) -> Graph:
    if declaration.runtime == "onnx":
        from faunashot.runtimes.onnx_graph import OnnxGraph

        return OnnxGraph(model)
    if declaration.runtime == "litert":
        from faunashot.runtimes.litert_graph import LiteRtGraph

        return LiteRtGraph(model)
    if declaration.runtime == "saved_model":
        from faunashot.runtimes.saved_model import SavedModelGraph

        return SavedModelGraph(model, signature=declaration.signature)
    from faunashot.runtimes.transformers_graph import TransformersGraph

    return TransformersGraph(model, model_class=declaration.model_class)
