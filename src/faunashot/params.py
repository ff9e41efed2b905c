"""The one schema of ``params.yaml``: a typo is an error that names the nearest valid key.

Options of backbones, conditions and the like are declared by their owners; here are the axes that
experiments vary, and the blocks that hold those options.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from faunashot.audio.reading import Channel, Reading
from faunashot.data import Folds
from faunashot.errors import ParameterError
from faunashot.features.names import BY, FeatureName, joined_features, refuse_unknown_layers
from faunashot.older_params import MOVED, moved_keys
from faunashot.options import Options, first_fault
from faunashot.registry import Registry

if TYPE_CHECKING:
    from faunashot.audio.altered import Augmentation
    from faunashot.systems.catalogue import System

NO_CORPUS = "none"
"""Name of the corpus that stands for no source."""

ABSENT = Path("data/none")
"""Root of a corpus that is not here, and a table that is not given: DVC needs a path."""

DEFAULT = "default"
"""Value of a key of ``augment`` that the system decides: an empty one DVC would write otherwise."""

Block = dict[str, Any]
"""Options by the name of their owner; what is left out has the owner's defaults."""

Count = Annotated[int, Field(ge=1, strict=True)]


class ProtocolParams(Options):
    """Which clips may be learned from and which are scored."""

    name: str
    k: Count
    transfer: Literal["joint", "sequential", "background"]
    folds: Folds


class UnknownParams(Options):
    """Of the answer `unknown`, where the source is background."""

    false_alarm_rate: Annotated[float, Field(ge=0, le=1)]


class IngestParams(Options):
    """What ingest puts up with."""

    max_bad_share: Annotated[float, Field(ge=0, le=1)]


class AudioParams(Options):
    """How recordings are read, see `faunashot.audio.reading.Reading`."""

    channel: Channel = "mix"
    time_expansion: Count = 1


class EvaluationParams(Options):
    """Of the intervals."""

    confidence_level: Annotated[float, Field(gt=0.5, lt=1)]
    n_bootstrap: Annotated[int, Field(ge=100)]


class NoiseParams(Options):
    """Where recordings of noise come from, to learn and to score under."""

    root: Path

    @field_validator("root")
    @classmethod
    def _names_a_folder(cls, root: Path) -> Path:
        if root == Path():
            raise ParameterError("noise.root is empty; data/none for the corpus' own")
        return root


class Params(Options):
    """All of ``params.yaml``."""

    corpus: str
    root: Path
    source: str
    source_root: Path
    backbone: str
    layer: str
    system: str
    variant: str
    seed: Annotated[int, Field(ge=0, strict=True)]
    protocol: ProtocolParams
    protocols: Block = Field(default_factory=dict)
    unknown: UnknownParams
    ingest: IngestParams
    audio: AudioParams = Field(default_factory=AudioParams)
    augment: Block = Field(default_factory=dict)
    conditions: Block
    noise: NoiseParams
    evaluation: EvaluationParams
    backbones: Block
    frontends: Block = Field(default_factory=dict)
    corpora: Block = Field(default_factory=dict)

    @field_validator("protocols", "conditions", "backbones", "frontends", "corpora", mode="before")
    @classmethod
    def _blocks(cls, given: Any) -> Any:
        """Take a block without options, ``birdnet:``, for an empty one."""
        if not isinstance(given, Mapping):
            return given
        return {name: {} if block is None else block for name, block in given.items()}

    @field_validator("augment")
    @classmethod
    def _given(cls, augment: Block) -> Block:
        """What is set; the rest is as the system has it."""
        return {name: value for name, value in augment.items() if value not in (None, DEFAULT)}

    @model_validator(mode="after")
    def _is_consistent(self) -> Params:
        self._check_corpora()
        self._check_protocols()
        self._check_features()
        _ = self.augmentation
        from faunashot.conditions.base import asked_for

        asked_for(self.conditions)
        return self

    def _check_corpora(self) -> None:
        from faunashot.data.corpora import CORPORA, create

        for name, block in self.corpora.items():
            if not isinstance(block, Mapping):
                raise ParameterError(f"corpora.{name}: needs a block of options, got {block!r}")
            create(name, **block)  # refuses what is no option of its reader
        for key in ("corpus", "source"):
            _known(key, getattr(self, key), [*CORPORA, *self.corpora])
        for key in ("root", "source_root"):
            if getattr(self, key) == Path():
                raise ParameterError(f"{key} is empty; data/none if there is no such corpus")
        if self.corpus == NO_CORPUS:
            raise ParameterError("corpus: none has no clips; name the corpus that is scored")
        if self.source == self.corpus:
            raise ParameterError(
                f"source: {self.source!r} is the corpus that is scored; name another, or none"
            )

    def _check_protocols(self) -> None:
        from faunashot.protocols import PROTOCOLS

        _known("protocol.name", self.protocol.name, PROTOCOLS)
        _read_blocks("protocols", self.protocols, PROTOCOLS)
        if self.protocol.folds == "random" and not PROTOCOLS[self.protocol.name].scores_every_fold:
            named = [name for name, kind in PROTOCOLS.classes().items() if kind.scores_every_fold]
            raise ParameterError(
                f"protocol.folds: random is scored beside folds of which each is scored; set "
                f"protocol.name to {' or '.join(named)}"
            )

    def _check_features(self) -> None:
        from faunashot.backbones.base import BACKBONES, offering
        from faunashot.frontends.base import FRONT_ENDS
        from faunashot.systems.catalogue import system_names

        _read_blocks("backbones", self.backbones, BACKBONES)
        _read_blocks("frontends", self.frontends, FRONT_ENDS)
        for name in self.backbone_names:
            _known("backbone", name, [*BACKBONES, *FRONT_ENDS])
            if name in BACKBONES and name in FRONT_ENDS:
                raise ParameterError(
                    f"backbone: {name!r} is a backbone and a front end: rename or remove one"
                )
            self.options_of(name)  # refuses one that two packages give, or that does not import
        if len(set(self.backbone_names)) < len(self.backbone_names):
            raise ParameterError(f"backbone: {self.backbone!r} joins a backbone with itself")
        _known("system", self.system, system_names())
        system = self.varied_system
        system.refuse(self.backbone, self.protocol.name)
        if system.features == "front_end" and self.backbone not in (named := offering("build")):
            raise ParameterError(
                f"system: {self.system} trains the layers of a backbone, which {self.backbone} "
                f"does not offer; set backbone to {' or '.join(named)}"
            )
        refuse_unknown_layers(self.features)
        mode = self.zero_shot_mode
        method = {"ontology": "logits", "text": "embed_text"}.get(mode, "")
        if method and self.backbone not in (named := offering(method)):
            raise ParameterError(
                f"protocols.zero_shot.mode: {mode} reads the class names of one backbone, "
                f"not of {self.backbone}; use assignment, or set backbone to {' or '.join(named)}"
            )

    @property
    def varied_system(self) -> System:
        """The system, with the ingredient changed that `variant` names."""
        from faunashot.systems.catalogue import system
        from faunashot.systems.variants import variant

        return variant(system(self.system), self.variant).system

    @property
    def backbone_names(self) -> list[str]:
        """The backbones in use: several where they are joined, such as ``yamnet+birdnet``."""
        return self.backbone.split(BY)

    @property
    def features(self) -> list[FeatureName]:
        """The features that the system reads; of several they are joined."""
        if self.varied_system.features == "front_end":
            return [FeatureName(self.backbone, "front_end")]
        return joined_features(self.backbone, self.layer)

    def options_of(self, name: str) -> dict[str, Any]:
        """Options of a backbone or front end, its defaults among them."""
        from faunashot.backbones.base import BACKBONES
        from faunashot.frontends.base import FRONT_ENDS

        of_backbone = name in BACKBONES
        kind: Any = BACKBONES[name] if of_backbone else FRONT_ENDS[name]
        block = (self.backbones if of_backbone else self.frontends).get(name, {})
        system = self.varied_system
        if name == system.backbone:
            block = {**system.backbone_options, **block}
        read: dict[str, Any] = kind.Options.read(block, key=name).model_dump()
        return read

    @property
    def augmentation(self) -> Augmentation:
        """Copies of clips that are learned from and scored: the system's own, but what is set."""
        from faunashot.audio.altered import Augmentation

        return Augmentation.of(self.varied_system.augment, self.augment)

    @property
    def reading(self) -> Reading:
        """How recordings are read."""
        return Reading(**self.audio.model_dump())

    def root_of(self, corpus: str) -> Path:
        """Folder of the corpus that is scored, or of its source."""
        return self.root if corpus == self.corpus else self.source_root

    @property
    def mixes_noise(self) -> bool:
        """Whether the system mixes noise into what it learns from."""
        return str(self.varied_system.settings.get("noise", "none")) != "none"

    @property
    def needs_noise(self) -> bool:
        """Whether recordings of noise are learned with, or scored under."""
        from faunashot.conditions.base import asked_for

        return self.mixes_noise or any(c.needs_noise for c in asked_for(self.conditions))

    @property
    def run_name(self) -> str:
        """Name of the experiment where DVC gives none."""
        k = f"-k{self.protocol.k}" if self.protocol.name == "few_shot" else ""
        of = "" if self.variant == "whole" else f"-{self.variant}"
        return f"{self.corpus}-{self.scored_system}{of}-{self.protocol.name}{k}"

    @property
    def scored_system(self) -> str:
        """What is scored: the full system, or the backbone alone where its own classes are read."""
        alone = self.zero_shot_mode in ("ontology", "text") and not self.varied_system.protocol
        return self.backbone if alone else self.full_system

    @property
    def protocol_options(self) -> Block:
        """Options of the protocol, of which the system may decide some."""
        decided = {key: of for key, of in self.varied_system.protocol.items() if key != "name"}
        return {**self.protocols.get(self.protocol.name, {}), **decided}

    @property
    def zero_shot_mode(self) -> str:
        """Of `zero_shot`; empty for another protocol."""
        found = str(self.protocol_options.get("mode", "ontology"))
        return found if self.protocol.name == "zero_shot" else ""

    @property
    def full_system(self) -> str:
        """Backbone and system under one name, such as ``birdnet-logistic``."""
        return self.varied_system.full_name(self.backbone)


def load_params(
    file: Path = Path("params.yaml"), *, settings: Mapping[str, Any] | None = None
) -> Params:
    """Read and check ``params.yaml``, with values by dotted key in place of the file's.

    Raises
    ------
    ParameterError
        Names the key that is unknown, missing or out of range, and the nearest valid one; of a
        file of an older version, what has become of each key, a line each.
    """
    try:
        data = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ParameterError(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ParameterError(f"{file} is not UTF-8 text: {error.reason}") from error
    except yaml.YAMLError as error:
        raise ParameterError(f"{file} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise ParameterError(f"{file} holds no keys: it should begin with `corpus: NAME`")
    for key, value in (settings or {}).items():
        _set(data, key, value)
    if moved := [f"{file}: {key} {MOVED[pattern]}" for key, pattern in moved_keys(data)]:
        raise ParameterError("\nfaunashot: ".join(moved))
    try:
        return Params.model_validate(data)
    except ValidationError as error:
        raise ParameterError(f"{file}: {_first(error, data)}") from error


def _set(block: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; what it lies in is made where it is not there."""
    *path, last = key.lstrip("+").split(".")
    for name in path:
        if not isinstance(block.get(name), dict):
            block[name] = {}
        block = block[name]
    block[last] = value


def _read_blocks(key: str, blocks: Mapping[str, Any], registry: Registry[Any]) -> None:
    """Check the options of every owner that a block names."""
    for name, block in blocks.items():
        if name not in registry:
            raise ParameterError.unknown_key(f"{key}.{name}", f"{key}.", registry.names())
        registry[name].Options.read(block, key=f"{key}.{name}")


def _known(key: str, value: str, valid: Any) -> None:
    if value not in valid:
        raise ParameterError.unknown(key, value, valid)


def _first(error: ValidationError, data: Mapping[str, Any]) -> str:
    """The first thing wrong, in one line; a misspelt key rather than the gap that it leaves.

    The nearest key is one of the same name in another block, such as ``protocol.k`` for ``k``, or
    one that is spelled much like it.
    """
    found = error.errors()
    wrong = next((e for e in found if e["type"] == "extra_forbidden"), None)
    if wrong is None:
        return first_fault(error)
    key = ".".join(str(part) for part in wrong["loc"])
    known = [name for name in [*_keys(Params), *_given(data)] if name != key]
    same = [name for name in known if name.split(".")[-1] == key.split(".")[-1]]
    near = same or difflib.get_close_matches(key, known, n=1)
    return f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                keys += _keys(inner, f"{prefix}{name}.")
    return keys


def _given(block: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of a file, those of blocks among them."""
    for name, value in block.items():
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _given(value, f"{prefix}{name}.")
