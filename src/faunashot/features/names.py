"""Names of features: which layers of which backbones, and front ends by themselves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from faunashot.errors import ParameterError

BY = "+"
"""Between the names of joined backbones, such as ``yamnet+birdnet``, and of joined layers."""

DEFAULT_LAYER = "default"
"""Name of the layer that a backbone names first."""

LAYERS = "FAUNASHOT_LAYERS"
"""Variable with layers that are cached from the pass over the audio that embeds another one of the
same backbone, written as in `FeatureName.written`, joined by ``+``; a study sets it."""


class FeatureName(NamedTuple):
    """Features of a layer of a backbone (empty: its default), or of a front end."""

    name: str
    layer: str

    @property
    def folder(self) -> str:
        """Name of the folder that they lie in."""
        return f"{self.name}.{self.layer}" if self.layer else self.name

    @property
    def written(self) -> str:
        """As it is written where backbones are joined, the default layer too."""
        return f"{self.name}.{self.layer or DEFAULT_LAYER}"


def joined_features(backbone: str, layer: str) -> list[FeatureName]:
    """The features that a run joins: backbone by backbone, and the layers of each as written.

    Parameters
    ----------
    backbone : str
        A backbone or front end, or several joined by ``+``.
    layer : str
        Layers joined by ``+``. Of several backbones each is written with its backbone, as
        ``whisper_tiny.layer_1``; a backbone that is not written has its default layer.

    Raises
    ------
    ParameterError
        A layer does not say which backbone it is of, or is named twice.

    Examples
    --------
    >>> [name.folder for name in joined_features("yamnet+ast", "ast.layer_3+ast.layer_6")]
    ['yamnet', 'ast.layer_3', 'ast.layer_6']
    """
    backbones = backbone.split(BY)
    written: dict[str, list[str]] = {name: [] for name in backbones}
    for part in layer.split(BY) if layer != DEFAULT_LAYER else ():
        name, of = _of_which(part, backbones)
        written[name].append("" if of == DEFAULT_LAYER else of)
    names = [FeatureName(name, of) for name in backbones for of in written[name] or [""]]
    if len(set(names)) < len(names):
        raise ParameterError(f"layer: {layer!r} joins a layer with itself")
    return names


def _of_which(part: str, backbones: Sequence[str]) -> tuple[str, str]:
    """The backbone that a written layer is of, and the layer."""
    for name in backbones:
        if part.startswith(f"{name}."):
            return name, part[len(name) + 1 :]
    if len(backbones) > 1:
        joined = BY.join(backbones)
        raise ParameterError(
            f"layer: which of {joined} is {part!r} of? Write it with its backbone, as "
            f"{backbones[-1]}.{part}"
        )
    return backbones[0], part


def layers_named_beside(backbone: str) -> list[str]:
    """Layers of a backbone that `LAYERS` names, empty for its default."""
    parts = [each.partition(f"{backbone}.") for each in os.environ.get(LAYERS, "").split(BY)]
    layers = [layer for before, found, layer in parts if found and not before]
    return ["" if layer == DEFAULT_LAYER else layer for layer in layers]


def refuse_unknown_layers(names: Sequence[FeatureName]) -> None:
    """Raise `ParameterError` where a backbone has no such layer, or two names are of one layer."""
    from faunashot.backbones.base import BACKBONES, default_layer

    meant = list(_meant(names))
    for name, layer in meant:
        if name in BACKBONES and layer not in (known := [*BACKBONES[name].layers, "front_end"]):
            raise ParameterError.unknown(f"layer of {name}", layer, known)
        if name not in BACKBONES and layer:
            raise ParameterError(f"layer: {name} is a front end, which has no layers")
    if len(set(meant)) < len(meant):
        (name, layer) = next(each for each in meant if meant.count(each) > 1)
        raise ParameterError(
            f"layer: {name} has {layer} twice: it is the layer {default_layer(BACKBONES[name])!r}"
        )


def _meant(names: Sequence[FeatureName]) -> Iterator[FeatureName]:
    """Names with the default layer written out."""
    from faunashot.backbones.base import BACKBONES, default_layer

    for name, layer in names:
        if name in BACKBONES and not layer:
            yield FeatureName(name, default_layer(BACKBONES[name]))
        else:
            yield FeatureName(name, layer)
