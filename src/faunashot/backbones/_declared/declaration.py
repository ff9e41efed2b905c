"""What a file says of a backbone: its schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, field_validator, model_validator

from faunashot.errors import ParameterError
from faunashot.options import Options

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Positive = Annotated[int, Field(ge=1, strict=True)]
Words = Annotated[str, Field(min_length=1)]

FILE_RUNTIMES = ("onnx", "litert")
"""Runtimes that read one file; the others have a handle of a hub, or a folder."""

PACKAGES = {
    "onnx": ("onnxruntime",),
    "litert": ("ai-edge-litert",),
    "saved_model": ("tensorflow",),
    "transformers": ("torch", "transformers"),
}
"""What a runtime needs when a model is served."""

RUNTIMES = {
    "onnx": "ONNX Runtime",
    "litert": "LiteRT",
    "saved_model": "TensorFlow",
    "transformers": "transformers",
}
"""What runtimes are called."""


class Weights(Options):
    """Where the network is.

    Attributes
    ----------
    file : str
        Of ONNX or LiteRT: beside the declaration, or in a folder of weights.
    handle : str
        Of a hub, or a folder: a URL of TF Hub or Kaggle, or ``owner/name`` of Hugging Face.
    url : str
        From which a file comes where it is not here.
    revision : str
        Of a model on Hugging Face.
    checksum : str, optional
        Of a file, ``sha256:`` or ``md5:`` and hexadecimal digits; left out where none is published.
    """

    file: str = ""
    handle: str = ""
    url: str = ""
    revision: str = ""
    checksum: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$")] | None = (
        None
    )


class Input(Options):
    """What the network takes.

    Attributes
    ----------
    name : str
        May be left out where it has one input.
    layout : str
        Axes: N windows, C one channel, T samples; ``T`` takes one window at a time.
    """

    name: str = ""
    layout: Literal["NT", "NCT", "NTC", "T"] = "NT"


class Output(Options):
    """An output that embeds a window.

    Attributes
    ----------
    name : str
        As the network calls it; may be left out where it has one output.
    dim : int
        Numbers of a window, once pooled.
    pooling : "none" or "mean"
        Mean over all axes but the last, of an output that has frames.
    """

    name: str = ""
    dim: Positive
    pooling: Literal["none", "mean"] = "none"


class Classes(Output):
    """The output of the network's own classifier, before the sigmoid.

    Attributes
    ----------
    labels : str
        ``audioset`` for the 527 of AudioSet in their order, ``config`` for those that a model of
        transformers names, or a file with a name a line, or a row: beside the declaration, in the
        model's folder, or in a folder of weights.
    column : str
        Of a CSV file that has a header.
    skip_lines : int
        Of a file without `column`, at its top.
    url, checksum
        Of the file, as of `Weights`.
    vocabulary : str
        Table of class maps; by default the backbone's name.
    several : "geometric" or "max"
        As of `faunashot.backbones.base.ClassList`.
    """

    labels: Words
    column: str = ""
    skip_lines: Annotated[int, Field(ge=0, strict=True)] = 0
    url: str = ""
    checksum: str | None = None
    vocabulary: str = ""
    several: Literal["geometric", "max"] = "max"


class Text(Options):
    """The tower that embeds texts into the space of the first layer.

    Attributes
    ----------
    model_class : str
        Of transformers, which loads this tower alone.
    name : str
        Of its output.
    scale : float or str
        What cosines of audio and text are multiplied by, or the weight that is its logarithm.
    """

    model_class: Words
    name: Words
    scale: Annotated[float, Field(gt=0)] | Words


class Declaration(Options):
    """A backbone.

    Attributes
    ----------
    version, licence, citation, source, trained_on, description : str
        For the card; the source is the handle or URL unless given.
    parameters : int, optional
        Of the network, where its authors state them.
    runtime : str
    weights : Weights
    signature : str
        Of a SavedModel.
    model_class : str
        Of transformers.
    sample_rate : int
        In Hz.
    window_s, hop_s : float
        In seconds; the hop is a window unless given.
    normalisation : "none", "peak" or "int16"
        Of a window's samples, which lie in [-1, 1]: as they are, their peak at `peak`, or times
        32768.
    peak : float
    remove_mean : bool
        Whether a window's mean is taken off before that.
    padding : "zeros" or "repeat"
        Of a window in which the recording ends: zeros, or first what the window has of it again,
        as often as it fits in whole.
    input : Input
    outputs : mapping of str to Output
        Embeddings by the name of their layer; the first is the default.
    classes : Classes, optional
        Becomes the layer ``logits``.
    text : Text, optional
        Of a model of transformers that reads, too.
    batch_size : int
        Windows for the network at once.
    """

    version: Words
    licence: Words
    citation: Words
    source: str = ""
    trained_on: Words
    description: str = ""
    parameters: Positive | None = None
    runtime: Literal["onnx", "litert", "saved_model", "transformers"]
    weights: Weights
    signature: str = "serving_default"
    model_class: str = "AutoModel"
    sample_rate: Positive
    window_s: Annotated[float, Field(gt=0)]
    hop_s: Annotated[float, Field(gt=0)] | None = None
    normalisation: Literal["none", "peak", "int16"] = "none"
    peak: Annotated[float, Field(gt=0)] = 1.0
    remove_mean: bool = False
    padding: Literal["zeros", "repeat"] = "zeros"
    input: Input = Field(default_factory=Input)
    outputs: Annotated[dict[Name, Output], Field(min_length=1)]
    classes: Classes | None = None
    text: Text | None = None
    batch_size: Positive = 8

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, version: Any) -> Any:
        """Take ``2.4``, which YAML reads as a number."""
        return str(version) if isinstance(version, (int, float)) else version

    @model_validator(mode="after")
    def _fits(self) -> Self:
        wanted, other = ("file", "handle") if self.runtime in FILE_RUNTIMES else ("handle", "file")
        if not getattr(self.weights, wanted) or getattr(self.weights, other):
            raise ParameterError(f"weights: the runtime {self.runtime} needs `{wanted}` alone")
        for key, seconds in (("window_s", self.window_s), ("hop_s", self.step_s)):
            if abs(seconds * self.sample_rate - round(seconds * self.sample_rate)) > 1e-6:
                raise ParameterError(
                    f"{key}: {seconds} s are {seconds * self.sample_rate:g} samples at "
                    f"{self.sample_rate} Hz, which is no whole number"
                )
        if self.step_s > self.window_s:
            raise ParameterError(f"hop_s: {self.step_s} is longer than a window, {self.window_s} s")
        if self.runtime == "transformers" and (self.input.name or self.input.layout != "NT"):
            raise ParameterError("input: the model's own feature extractor makes it; leave it out")
        if self.runtime == "transformers" and not all(o.name for o in self.layers.values()):
            raise ParameterError("outputs: name each, such as last_hidden_state")
        if self.runtime != "transformers" and self.text is not None:
            raise ParameterError(f"text: the runtime {self.runtime} runs one tower; leave it out")
        if LOGITS in self.outputs or FRONT_END in self.outputs:
            raise ParameterError(f"outputs: {LOGITS} and {FRONT_END} are names of our own")
        return self

    @property
    def step_s(self) -> float:
        """Step between windows in seconds."""
        return self.window_s if self.hop_s is None else self.hop_s

    @property
    def window_samples(self) -> int:
        """Samples of a window."""
        return round(self.window_s * self.sample_rate)

    @property
    def layers(self) -> dict[str, Output]:
        """Every output that a layer is made of, by the layer's name."""
        return self.outputs if self.classes is None else {**self.outputs, LOGITS: self.classes}

    @property
    def settings(self) -> str:
        """All that an embedding depends on beside the weights, the rate and the window."""
        of_samples = (self.normalisation, self.peak, self.remove_mean, self.padding)
        of_network = (self.runtime, self.signature, self.model_class, self.input, self.layers)
        return repr((*of_network, *of_samples))


LOGITS = "logits"
"""Name of the layer that a classifier's output makes."""

FRONT_END = "front_end"
"""Name of the layer that every backbone has."""


def read_declaration(file: Path) -> Declaration:
    """Read a file.

    Raises
    ------
    ParameterError
        It is no YAML, or has a key that is unknown, missing or out of range.
    """
    try:
        block = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ParameterError(f"{file}: {error.strerror or error}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(block, dict):
        raise ParameterError(f"{file} holds no keys: see docs/BACKBONES.md")
    try:
        return Declaration.read(block, key="")
    except ParameterError as error:
        raise ParameterError(f"{file.name}: {error}") from error
