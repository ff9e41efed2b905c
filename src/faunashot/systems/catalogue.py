"""The named systems, read from ``systems.yaml``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

from faunashot.errors import ParameterError


@dataclass(frozen=True)
class System:
    """A head and its settings under a name.

    Attributes
    ----------
    settings : of the head, where nothing chooses them.
    grid : values of each setting that may be chosen on a validation fold, or several such grids;
        ``steps`` is a setting too.
    steps : that shape embeddings before the head, see `faunashot.estimators.heads.steps`.
    fit_steps_on : "unlabelled", all clips of the training side, or "labelled".
    learns_from : "clips", one mean embedding each, or "windows".
    requires_features : the one front end whose features it takes, or "front_end" for that of the
        backbone; any where empty.
    least_k : labelled clips a class that it needs.
    parts : windows of a labelled clip that are learned beside its mean, for a half of its weight.
    """

    name: str
    head: str
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] | list[dict[str, list[Any]]] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    fit_steps_on: str = "unlabelled"
    learns_from: str = "clips"
    requires_features: str = ""
    least_k: int = 1
    parts: int = 0


@cache
def systems() -> dict[str, System]:
    """All systems by name."""
    text = resources.files("faunashot.systems").joinpath("systems.yaml").read_text("utf-8")
    return {
        name: System(name=name, **{**spec, "steps": tuple(spec.get("steps", ()))})
        for name, spec in yaml.safe_load(text).items()
    }


def system_names() -> list[str]:
    """Names that ``system`` in ``params.yaml`` may have."""
    return list(systems())


def system(name: str) -> System:
    """The system called `name`.

    Raises
    ------
    ParameterError
        There is none.
    """
    if name not in systems():
        raise ParameterError.unknown("system", name, systems())
    return systems()[name]
