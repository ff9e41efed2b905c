"""What extracts features, and the specification that all of its results depend on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from faunashot.audio.perturbation import Perturbation

FORMAT = 3
"""Of features on disk. A change of decoding, resampling or cutting that changes a bit of any
result needs a new one, as do the files themselves."""

FloatArray = npt.NDArray[np.float32]


class Extractor(Protocol):
    """Turns recordings into features: a front end, and a layer of a network.

    Planning and looking up what is cached read the attributes alone; `front_end` and `network` are
    called where something is missing, from several threads at once. So weights may be loaded on
    the first call.
    """

    @property
    def name(self) -> str:
        """Of the backbone, as in the registry."""
        ...

    @property
    def layer(self) -> str:
        """Of the network; empty for its own default."""
        ...

    @property
    def version(self) -> str:
        """Of the published model."""
        ...

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the weights."""
        ...

    @property
    def licence(self) -> str:
        """Of the weights."""
        ...

    @property
    def sample_rate(self) -> int:
        """In Hz, of what the front end takes."""
        ...

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        ...

    @property
    def hop_s(self) -> float:
        """Step of the windows in seconds."""
        ...

    @property
    def window_samples(self) -> int:
        """Length of a window in samples."""
        ...

    @property
    def hop_samples(self) -> int:
        """Step of the windows in samples."""
        ...

    @property
    def batch_size(self) -> int:
        """Windows for the network at once."""
        ...

    @property
    def dim(self) -> int:
        """Length of a row of the result."""
        ...

    def front_end(self, samples: FloatArray) -> FloatArray:
        """Mono samples (n,) to what the network reads (N, ...), a row a window."""
        ...

    def network(self, inputs: FloatArray) -> FloatArray:
        """Inputs (N, ...) to features (N, dim); a row depends on no other row."""
        ...


@dataclass(frozen=True)
class FeatureSpec:
    """All that features depend on beside the audio; features of another one are stale.

    Attributes
    ----------
    backbone, version, weights_hash, sample_rate, window_s, hop_s, dim, layer
        As of `Extractor`.
    blocks : tuple of int
        Widths, where the features of several backbones are joined.
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

    @classmethod
    def of(cls, extractor: Extractor) -> FeatureSpec:
        """The specification of what `extractor` gives."""
        return cls(
            backbone=extractor.name,
            version=extractor.version,
            weights_hash=extractor.weights_hash,
            sample_rate=extractor.sample_rate,
            window_s=extractor.window_s,
            hop_s=extractor.hop_s,
            dim=extractor.dim,
            layer=extractor.layer,
        )

    @classmethod
    def from_json(cls, noted: dict[str, Any]) -> FeatureSpec:
        """Read what `asdict` gave; raises `TypeError` or `KeyError` where that is none."""
        return cls(**{**noted, "blocks": tuple(noted["blocks"])})

    def __str__(self) -> str:
        layer = f"layer {self.layer}, " if self.layer else ""
        weights = f"weights {self.weights_hash[:12]}"
        return f"{self.backbone} {self.version} ({layer}hop {self.hop_s:g} s, {weights})"


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
        return {"format": FORMAT, "spec": asdict(self.spec), "perturbation": self.perturbation}

    @property
    def key(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()
