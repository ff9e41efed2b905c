"""The one schema of ``params.yaml``: a typo is an error that names the nearest valid key."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from faunashot.errors import ParameterError

NO_CORPUS = "none"
"""Name of the corpus that stands for no source."""

ABSENT = Path("data/none")
"""Root of a corpus that is not here, and a table that is not given: DVC needs a path."""


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


Count = Annotated[int, Field(ge=1, strict=True)]


class ProtocolParams(_Block):
    """Which clips may be learned from and which are scored."""

    name: Literal["zero_shot", "few_shot", "fine_tune"]
    k: Count
    curve: list[Count]
    episodes: Annotated[int, Field(ge=2, strict=True)]
    source_clips: Count
    transfer: Literal["joint", "sequential", "background"]
    folds: Literal["official", "grouped"]
    false_alarm_rate: Annotated[float, Field(ge=0, le=1)]
    zero_shot: Literal["ontology", "assignment"]
    class_map: Path | None
    shuffles: Annotated[int, Field(ge=20, strict=True)]

    @field_validator("class_map")
    @classmethod
    def _none_given(cls, class_map: Path | None) -> Path | None:
        return None if class_map == ABSENT else class_map

    @property
    def k_values(self) -> list[int]:
        """Every k that is scored, `k` itself included, ascending."""
        return sorted({*self.curve, self.k})


class IngestParams(_Block):
    """What ingest puts up with."""

    max_bad_share: Annotated[float, Field(ge=0, le=1)]


class EvaluationParams(_Block):
    """Of the intervals."""

    level: Annotated[float, Field(gt=0.5, lt=1)]
    draws: Annotated[int, Field(ge=100)]


class EqualiserParams(_Block):
    """Options of `faunashot.audio.equalise.Equaliser`."""

    low_hz: Annotated[float, Field(gt=0)]
    high_hz: Annotated[float, Field(gt=0, le=8000)]
    length_s: Annotated[float, Field(ge=0.1)]
    level_db: Annotated[float, Field(lt=0)]
    snr_db: float


class AudioParams(_Block):
    """What is done to recordings before they are embedded."""

    equalise: bool
    equaliser: EqualiserParams


class NoiseParams(_Block):
    """What is mixed into clips, and at which ratios they are scored."""

    root: Path
    test_snr_db: list[Annotated[float, Field(ge=-100, le=100)]]

    @field_validator("root")
    @classmethod
    def _names_a_folder(cls, root: Path) -> Path:
        if root == Path():
            raise ParameterError("noise.root is empty; data/none for the corpus' own")
        return root

    @field_validator("test_snr_db")
    @classmethod
    def _distinct(cls, test_snr_db: list[float]) -> list[float]:
        if len({f"{snr_db + 0.0:g}" for snr_db in test_snr_db}) < len(test_snr_db):
            raise ParameterError(f"noise.test_snr_db: some of {test_snr_db} are the same")
        return [snr_db + 0.0 for snr_db in test_snr_db]  # which makes -0 of none


class BirdNetParams(_Block):
    """Options of `faunashot.backbones.birdnet.BirdNet`."""

    hop_s: Annotated[float, Field(gt=0, le=3.0)]


class YamNetParams(_Block):
    """Options of `faunashot.backbones.yamnet.model.YamNet`."""

    hop_s: Annotated[float, Field(gt=0, le=0.96)]
    handle: str


class LogMelParams(_Block):
    """Options of `faunashot.frontends.logmel_stats.LogMel`."""

    hop_s: Annotated[float, Field(gt=0, le=1.0)]


class YamNetPatchesParams(_Block):
    """Options of `faunashot.frontends.mel_patches.YamNetPatches`."""

    hop_s: Annotated[float, Field(gt=0, le=0.96)]


class LogMelFramesParams(_Block):
    """Options of `faunashot.frontends.logmel_frames.LogMelFrames`."""

    hop_s: Annotated[float, Field(gt=0, le=16.0)]


class BackbonesParams(_Block):
    """One block a backbone."""

    birdnet: BirdNetParams
    yamnet: YamNetParams
    yamnet_patches: YamNetPatchesParams
    logmel: LogMelParams
    logmel_frames: LogMelFramesParams


class CorpusParams(_Block):
    """Where a corpus lies and what is wanted of it."""

    root: Path
    classes: str | list[str] = "all"
    reader: str | None = None
    table: str | None = None


class Params(_Block):
    """All of ``params.yaml``."""

    corpus: str
    source: str
    backbone: str
    system: str
    variant: str
    seed: Annotated[int, Field(ge=0, strict=True)]
    protocol: ProtocolParams
    ingest: IngestParams
    audio: AudioParams
    noise: NoiseParams
    evaluation: EvaluationParams
    backbones: BackbonesParams
    corpora: dict[str, CorpusParams]

    @model_validator(mode="after")
    def _names_exist(self) -> Params:
        from faunashot.backbones.registry import BACKBONES
        from faunashot.data.corpora.registry import CORPORA
        from faunashot.systems.catalogue import system, system_names
        from faunashot.systems.variants import variant

        for key in ("corpus", "source"):
            _known(key, getattr(self, key), self.corpora)
        for name in self.backbone_names:
            _known("backbone", name, BACKBONES)
        if len(set(self.backbone_names)) < len(self.backbone_names):
            raise ParameterError(f"backbone: {self.backbone!r} joins a backbone with itself")
        _known("system", self.system, system_names())
        chosen = variant(system(self.system), self.variant).system
        if chosen.requires_features not in ("", self.backbone):
            raise ParameterError(
                f"system: {self.system} reads the features of {chosen.requires_features}, not "
                f"of {self.backbone}: set backbone={chosen.requires_features}"
            )
        for name, corpus in self.corpora.items():
            _known(f"corpora.{name}.reader", corpus.reader or name, CORPORA)
            if corpus.root == Path():
                raise ParameterError(f"corpora.{name}.root is empty; data/none if it is not here")
        by_names = (self.protocol.name, self.protocol.zero_shot) == ("zero_shot", "ontology")
        if by_names and len(self.backbone_names) > 1:
            raise ParameterError(
                f"protocol.zero_shot: ontology reads the class names of one backbone, not of "
                f"{self.backbone}; use protocol.zero_shot=assignment, or one of them"
            )
        if self.corpus == NO_CORPUS:
            raise ParameterError("corpus: none has no clips; name the corpus that is scored")
        if self.source == self.corpus:
            raise ParameterError(
                f"source: {self.source!r} is the corpus that is scored; name another, or none"
            )
        return self

    @property
    def backbone_names(self) -> list[str]:
        """The backbones in use: several where they are joined, such as ``yamnet+birdnet``."""
        return self.backbone.split("+")

    def options_of(self, backbone: str) -> dict[str, Any]:
        """The block of a backbone."""
        block: _Block = getattr(self.backbones, backbone)
        return block.model_dump()

    @property
    def mixes_noise(self) -> bool:
        """Whether the system mixes noise into what it learns from."""
        from faunashot.systems.catalogue import system
        from faunashot.systems.variants import variant

        settings = variant(system(self.system), self.variant).system.settings
        return str(settings.get("noise", "none")) != "none"

    @property
    def run_name(self) -> str:
        """Name of the experiment where DVC gives none."""
        k_values = f"-k{self.protocol.k}" if self.protocol.name == "few_shot" else ""
        of = "" if self.variant == "whole" else f"-{self.variant}"
        return f"{self.corpus}-{self.full_system}{of}-{self.protocol.name}{k_values}"

    @property
    def full_system(self) -> str:
        """Backbone and head under one name, such as ``birdnet-logistic``."""
        return f"{self.backbone}-{self.system}"


def load_params(file: Path = Path("params.yaml")) -> Params:
    """Read and check ``params.yaml``.

    Raises
    ------
    ParameterError
        Names the key that is unknown, missing or out of range, and the nearest valid one.
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
    try:
        return Params.model_validate(data)
    except ValidationError as error:
        raise ParameterError(f"{file}: {_first(error)}") from error


def _known(key: str, value: str, valid: Any) -> None:
    if value not in valid:
        raise ParameterError.unknown(key, value, valid)


def _first(error: ValidationError) -> str:
    """The first thing wrong, in one line; a misspelt key rather than the gap that it leaves."""
    found = error.errors()
    wrong = next((e for e in found if e["type"] == "extra_forbidden"), found[0])
    key = ".".join(str(part) for part in wrong["loc"])
    if wrong["type"] == "extra_forbidden":
        keys = _keys(Params)
        if wrong["loc"][0] == "corpora":  # whose names are the user's own
            keys = [name.replace("corpora.", f"corpora.{wrong['loc'][1]}.") for name in keys]
        near = difflib.get_close_matches(key, keys, n=1)
        return f"unknown key {key!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if wrong["type"] == "missing":
        return f"missing key {key!r}"
    cause = wrong.get("ctx", {}).get("error")
    if isinstance(cause, ParameterError):
        return str(cause)
    if wrong["type"] in ("model_type", "dict_type"):
        return f"{key}: needs a block of keys, got {wrong['input']!r}"
    return f"{key}: {wrong['msg'].lower()}, got {wrong['input']!r}"


def _keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        keys.append(prefix + name)
        for inner in (field.annotation, *get_args(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                keys += _keys(inner, f"{prefix}{name}.")
    return keys
