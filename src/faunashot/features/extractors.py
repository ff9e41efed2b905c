"""What yields features: a layer of a backbone, or a front end by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from faunashot.audio.reading import Reading
from faunashot.backbones.base import BACKBONES, Backbone, FloatArray, default_layer, load
from faunashot.errors import ParameterError
from faunashot.features.names import BY
from faunashot.frontends.base import FRONT_ENDS, FrontEnd

FRONT_END = "front_end"
"""Name of the layer that every backbone has: what its front end gives, which training reads."""


@dataclass(frozen=True)
class Extractor:
    """Turns samples into features, a row a window.

    Planning and looking up what is cached read the attributes alone; `front_end` and `network` are
    called where something is missing, from several threads at once.

    Attributes
    ----------
    name : str
        Of the backbone, or of the front end.
    layer : str
        Of the backbone; empty for a front end by itself.
    version, licence, citation, trained_on : str
    weights_hash : str
        SHA-256 of the weights, or of a front end's settings.
    batch_size : int
        Windows for `network` at once.
    dim : int
        Length of a feature.
    front_end : FrontEnd
        From samples to the network's inputs.
    network : callable
        From inputs, (N, ...), to features, (N, dim); loads the weights when it is first called.
    dtype : str
        Type of the features: float32, or int16 of waveforms.
    reading : Reading
        How recordings are read for it.
    backbone : Backbone, optional
        That it is a layer of; None of what a front end gives.
    """

    name: str
    layer: str
    version: str
    licence: str
    citation: str
    trained_on: str
    weights_hash: str
    batch_size: int
    dim: int
    front_end: FrontEnd
    network: Callable[[FloatArray], FloatArray]
    dtype: str = "float32"
    reading: Reading = field(default_factory=Reading)
    backbone: Backbone | None = None

    @property
    def runtime(self) -> str:
        """That runs the backbone, where that is not the usual one; else empty."""
        return "" if self.backbone is None else self.backbone.other_runtime

    @property
    def packages(self) -> tuple[str, ...]:
        """Python packages that its options need beside those of `packages_of`."""
        return () if self.backbone is None else self.backbone.other_packages

    @property
    def sample_rate(self) -> int:
        """Of the samples that the front end takes, in Hz."""
        return self.front_end.sample_rate

    @property
    def window_s(self) -> float:
        """Length of a window in seconds."""
        return self.front_end.window_s

    @property
    def window_samples(self) -> int:
        """Samples of a window."""
        return self.front_end.window_samples

    @property
    def hop_s(self) -> float:
        """Step between windows in seconds."""
        return self.front_end.hop_s

    @property
    def hop_samples(self) -> int:
        """Step between windows in samples."""
        return self.front_end.hop_samples


def extractor(
    name: str,
    *,
    layer: str = "",
    options: Mapping[str, Any] | None = None,
    reading: Reading | None = None,
) -> Extractor:
    """Make what yields the features called `name`; see `extractors`."""
    (made,) = extractors(name, layers=[layer], options=options, reading=reading)
    return made


def extractors(
    name: str,
    *,
    layers: Sequence[str],
    options: Mapping[str, Any] | None = None,
    reading: Reading | None = None,
) -> list[Extractor]:
    """Make what yields the features called `name`, one a layer; all of them share the backbone.

    Parameters
    ----------
    name : str
        Of a backbone or of a front end.
    layers : sequence of str
        Of the backbone: of its `layers`, ``front_end``, or empty for its default layer.
    options : mapping, optional
        Its block in ``params.yaml``.
    reading : Reading, optional
        How recordings are read for it; as usual if not given.

    Raises
    ------
    ParameterError
        There is no such backbone, front end or layer, or an option is wrong.
    WeightsError
        The backbone's weights are not here.
    """
    if name in FRONT_ENDS:
        kind: Any = FRONT_ENDS[name]
        read = kind.Options.read(options or {}, key=f"frontends.{name}")
        if any(layers):
            raise ParameterError(f"layer: {name} is a front end, which has no layers")
        made = [of_front_end(kind(**read.model_dump()))]
    elif name in BACKBONES:
        backbone = load(name, **(options or {}))
        made = [of_layer(backbone, layer) for layer in layers]
    else:
        raise ParameterError.unknown("backbone", name, feature_names())
    return [replace(each, reading=reading or Reading()) for each in made]


def of_front_end(front_end: FrontEnd, *, name: str = "", layer: str = "") -> Extractor:
    """The rows that a front end gives, flattened."""
    dim = int(np.prod(front_end.shape))
    return Extractor(
        name=name or front_end.name,
        layer=layer,
        version=front_end.version,
        licence=front_end.licence,
        citation=front_end.citation,
        trained_on="nothing",
        weights_hash=front_end.settings_hash,
        batch_size=64,
        dim=dim,
        front_end=front_end,
        network=partial(_flattened, dim=dim),
        dtype=front_end.dtype,
    )


def of_layer(backbone: Backbone, layer: str = "") -> Extractor:
    """The embeddings of a layer of a backbone, the default one unless named."""
    name = backbone.card.name
    if layer == FRONT_END:
        return of_front_end(backbone.front_end, name=name, layer=FRONT_END)
    layer = layer or default_layer(backbone)
    if layer not in backbone.layers:
        raise ParameterError.unknown("layer", layer, [*backbone.layers, FRONT_END])
    return Extractor(
        name=name,
        layer=layer,
        version=backbone.card.version,
        licence=backbone.card.licence,
        citation=backbone.card.citation,
        trained_on=backbone.card.trained_on,
        weights_hash=backbone.weights_hash,
        batch_size=backbone.batch_size,
        dim=backbone.layers[layer],
        front_end=backbone.front_end,
        network=partial(backbone.embed, layer=layer),
        backbone=backbone,
    )


def side_by_side(layers: Sequence[Extractor]) -> Extractor:
    """What yields several layers of one backbone in one pass, a row's parts in their order."""
    first = layers[0]
    assert first.backbone is not None
    names = [each.layer for each in layers]
    return replace(
        first,
        layer=BY.join(names),
        dim=sum(each.dim for each in layers),
        network=partial(first.backbone.embed_layers, layers=names),
    )


def licence_of(name: str) -> str:
    """Licence of a backbone's weights, or of a front end; loads nothing."""
    return BACKBONES[name].card.licence if name in BACKBONES else FRONT_ENDS[name].licence


def packages_of(name: str) -> tuple[str, ...]:
    """Python packages that a backbone or a front end needs when it is served."""
    if name in BACKBONES:
        own, declared = BACKBONES.package_of(name), BACKBONES[name].card.packages
    else:
        own, declared = FRONT_ENDS.package_of(name), FRONT_ENDS[name].packages
    return declared if own is None else (*declared, own)


def feature_names() -> list[str]:
    """Names of all backbones and front ends."""
    return sorted([*BACKBONES, *FRONT_ENDS])


def _flattened(inputs: FloatArray, *, dim: int) -> FloatArray:
    return inputs.reshape(len(inputs), dim)
