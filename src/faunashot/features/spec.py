"""The specification that features depend on, beside the audio that they are of."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from faunashot.audio.perturbation import Perturbation
from faunashot.audio.reading import Channel, Reading
from faunashot.features.extractors import Extractor

FORMAT = 3
"""Of features on disk. A change of decoding, resampling or cutting that changes a bit of any
result needs a new one, as do the files themselves."""


@dataclass(frozen=True)
class FeatureSpec:
    """All that features depend on beside the audio; features of another one are stale.

    Attributes
    ----------
    backbone, version, weights_hash, sample_rate, window_s, hop_s, dim, layer
        As of `Extractor`.
        The window and the hop are seconds of the recording as it was made.
    blocks : tuple of int
        Widths, where the features of several backbones are joined.
    dtype : str
        Type of the features on disk: float32, or int16 of waveforms.
    runtime : str
        That ran the backbone, where that is not the usual one.
    channel, time_expansion
        As of `faunashot.audio.reading.Reading`.
    """

    backbone: str
    version: str
    weights_hash: str
    sample_rate: int
    window_s: float
    hop_s: float
    dim: int
    blocks: tuple[int, ...] = ()
    layer: str = ""
    channel: Channel = "mix"
    time_expansion: int = 1
    dtype: str = "float32"
    runtime: str = ""

    @classmethod
    def of(cls, extractor: Extractor) -> FeatureSpec:
        """The specification of what `extractor` gives."""
        return cls(
            backbone=extractor.name,
            version=extractor.version,
            weights_hash=extractor.weights_hash,
            sample_rate=extractor.sample_rate,
            window_s=extractor.window_s / extractor.reading.time_expansion,
            hop_s=extractor.hop_s / extractor.reading.time_expansion,
            dim=extractor.dim,
            layer=extractor.layer,
            channel=extractor.reading.channel,
            time_expansion=extractor.reading.time_expansion,
            dtype=extractor.dtype,
            runtime=extractor.runtime,
        )

    @classmethod
    def from_json(cls, noted: dict[str, Any]) -> FeatureSpec:
        """Read what `to_json` gave; raises `TypeError` or `KeyError` where that is none."""
        return cls(**{**noted, "blocks": tuple(noted["blocks"])})

    def to_json(self) -> dict[str, Any]:
        """All of it but how recordings are read, the type and the runtime, where as usual."""
        usual = {"dtype": "float32", "runtime": ""}
        left_out = {*asdict(Reading()), *(n for n, of in usual.items() if getattr(self, n) == of)}
        noted = {name: value for name, value in asdict(self).items() if name not in left_out}
        return noted | self.reading.facts()

    @property
    def reading(self) -> Reading:
        """How the recordings were read."""
        return Reading(self.channel, self.time_expansion)

    def __str__(self) -> str:
        layer = f"layer {self.layer}, " if self.layer else ""
        weights = f"weights {self.weights_hash[:12]}"
        weights += f", runtime {self.runtime}" if self.runtime else ""
        read = "".join(f", {name} {value}" for name, value in self.reading.facts().items())
        return f"{self.backbone} {self.version} ({layer}hop {self.hop_s:g} s, {weights}{read})"


@dataclass(frozen=True)
class Derivation:
    """How audio becomes features: a specification, and what is done to the audio before.

    Attributes
    ----------
    spec : FeatureSpec
        Of the features.
    perturbation : dict or None
        Facts of the perturbation, as `faunashot.audio.perturbation.Perturbation` gives them.
    """

    spec: FeatureSpec
    perturbation: dict[str, Any] | None = None

    @classmethod
    def of(cls, extractor: Extractor, perturbation: Perturbation | None) -> Derivation:
        """How `extractor` makes features of recordings that are perturbed first."""
        facts = perturbation.facts() if perturbation else None
        return cls(FeatureSpec.of(extractor), json.loads(json.dumps(facts)))

    def to_json(self) -> dict[str, Any]:
        """What `key` is the hash of, as it is written beside the shards."""
        return {"format": FORMAT, "spec": self.spec.to_json(), "perturbation": self.perturbation}

    @property
    def key(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()
