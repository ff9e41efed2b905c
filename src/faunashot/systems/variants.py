"""A system with one of its ingredients taken out, or with none but one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

import yaml

from faunashot.errors import ParameterError
from faunashot.systems.catalogue import System

LEAVE_ONE_OUT, ADD_ONE_IN = "whole", "bare"
"""Sides of an ablation, as names of ``variant`` begin: of the whole system one ingredient is left
out, and to the bare one, which has none, one is added."""

FROM_SCRATCH = "from_scratch"
"""The head whose systems have ingredients."""

Levels = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Variant:
    """A system that differs from the whole or from the bare one in one ingredient, or in none.

    Attributes
    ----------
    name : str
        `side`, or ``side.ingredient.level``.
    side : str
        "whole" or "bare": what it differs from.
    ingredient : str
        In which it differs; empty where it does not.
    level, instead_of : str
        Of that ingredient, here and in what it differs from.
    system : System
        With the settings of the variant.
    """

    name: str
    side: str
    ingredient: str
    level: str
    instead_of: str
    system: System


@cache
def ingredients() -> dict[str, Levels]:
    """Settings by ingredient and level, the first level being the one without it."""
    text = resources.files("faunashot.systems").joinpath("ingredients.yaml").read_text("utf-8")
    return {
        name: {str(level): settings for level, settings in levels.items()}
        for name, levels in yaml.safe_load(text).items()
    }


def variants(system: System) -> dict[str, Variant]:
    """All variants of a system by name; the whole alone where it has no ingredients."""
    found = {LEAVE_ONE_OUT: Variant(LEAVE_ONE_OUT, LEAVE_ONE_OUT, "", "", "", system)}
    if system.head != FROM_SCRATCH:
        return found
    without = [next(iter(levels.values())) for levels in ingredients().values()]
    bare = _with(system, *without)
    found[ADD_ONE_IN] = Variant(ADD_ONE_IN, ADD_ONE_IN, "", "", "", bare)
    for side, base in ((LEAVE_ONE_OUT, system), (ADD_ONE_IN, bare)):
        for ingredient, levels in ingredients().items():
            own = _level(base, levels)
            for level in (each for each in levels if each != own):
                name = f"{side}.{ingredient}.{level}"
                varied = _with(base, levels[level])
                found[name] = Variant(name, side, ingredient, level, own, varied)
    return found


def variant(system: System, name: str) -> Variant:
    """The variant of a system that is called `name`.

    Raises
    ------
    ParameterError
        There is none.
    """
    if name == LEAVE_ONE_OUT:  # without importing what knows the settings
        return Variant(LEAVE_ONE_OUT, LEAVE_ONE_OUT, "", "", "", system)
    known = variants(system)
    if name not in known:
        raise ParameterError.unknown("variant", name, known)
    return known[name]


def _with(system: System, *settings: dict[str, Any]) -> System:
    changed = dict(system.settings)
    for each in settings:
        changed |= each
    return replace(system, settings=changed)


def _level(system: System, levels: Levels) -> str:
    """The level that a system has; one that is none of them counts as "own"."""
    from faunashot.estimators.windows.from_scratch import FromScratch

    has = FromScratch.Options.model_validate({}).model_dump() | system.settings
    return next((level for level, s in levels.items() if s.items() <= has.items()), "own")
