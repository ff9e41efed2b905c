"""The backbones by name; each is imported, and its weights loaded, when asked for."""

from __future__ import annotations

import importlib
from typing import Any

from faunashot.backbones.base import Backbone
from faunashot.errors import ParameterError

BACKBONES: dict[str, str] = {
    "birdnet": "faunashot.backbones.birdnet:BirdNet",
    "logmel": "faunashot.frontends.logmel_stats:LogMel",
    "logmel_frames": "faunashot.frontends.logmel_frames:LogMelFrames",
    "yamnet": "faunashot.backbones.yamnet.model:YamNet",
    "yamnet_patches": "faunashot.frontends.mel_patches:YamNetPatches",
}


def backbone_class(name: str) -> Any:
    """The class behind `name`, for its facts; loads no weights.

    Raises
    ------
    ParameterError
        There is no such backbone.
    """
    if name not in BACKBONES:
        raise ParameterError.unknown("backbone", name, BACKBONES)
    module, attribute = BACKBONES[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def load(name: str, **options: Any) -> Backbone:
    """Load backbone `name` with its weights; `options` are its block in ``params.yaml``."""
    backbone: Backbone = backbone_class(name)(**options)
    return backbone
