"""Estimators by name: heads on clips or on windows, and what learns from windows by itself."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from faunashot.errors import ParameterError
from faunashot.estimators.heads import HEADS
from faunashot.estimators.windows import WINDOWS

if TYPE_CHECKING:
    from faunashot.estimators.base import Estimator, Level

_STORED = {
    "head": "faunashot.estimators.head:Head",
    "head_on_windows": "faunashot.estimators.head:HeadOnWindows",
}
"""What is stored under a name that is no estimator's own."""

_OF_PROTOCOLS = {
    "class_map": "faunashot.estimators.class_map:ClassMap",
    "text_prototypes": "faunashot.estimators.text_prototypes:TextPrototypes",
}
"""What a protocol makes of the names of classes: it learns from no labels."""


def estimator_names() -> list[str]:
    """Names that ``head`` of a system may have."""
    return sorted({*HEADS, *WINDOWS})


def estimator_class(name: str, *, level: Level | None = None) -> type[Estimator]:
    """The class of the estimator that a system names; nothing but its module is imported.

    Parameters
    ----------
    name : str
        One of `estimator_names`.
    level : "clip" or "window", optional
        Which a head is put on; clips if not given.

    Raises
    ------
    ParameterError
        There is none, or several, or it is no head and does not learn from that level.
    """
    refuse_ambiguous(name)
    if name in HEADS:
        return _loaded(_STORED["head_on_windows" if level == "window" else "head"])
    if name in _OF_PROTOCOLS:
        return _loaded(_OF_PROTOCOLS[name])
    if name not in WINDOWS:
        raise ParameterError.unknown("head", name, estimator_names())
    found: type[Estimator] = WINDOWS[name]
    if level not in (None, found.level):
        raise ParameterError(f"level: {level}; {name} learns from {found.level}s alone")
    return found


def refuse_ambiguous(name: str) -> None:
    """Raise `ParameterError` where several estimators have this name; nothing is imported."""
    if name in HEADS and name in WINDOWS:
        raise ParameterError(
            f"head {name!r} is given as a head and as an estimator on windows: rename or remove one"
        )
    for registry in (HEADS, WINDOWS):
        if name in registry:
            registry.giver_of(name)


def packages_of(name: str) -> tuple[str, ...]:
    """Python packages that the estimator that a system names needs when it is served."""
    own = (HEADS if name in HEADS else WINDOWS).package_of(name)
    declared = estimator_class(name).packages
    return declared if own is None else (*declared, own)


def stored_class(kind: str) -> type[Estimator]:
    """The class whose ``KIND`` this is; raises `ParameterError` where there is none."""
    return _loaded(_STORED[kind]) if kind in _STORED else estimator_class(kind)


def make_estimator(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    level: Level | None = None,
    **given: Any,
) -> Estimator:
    """An unfitted estimator.

    Parameters
    ----------
    name : str
        One of `estimator_names`.
    settings : mapping, optional
        Its own; those that are left out have their defaults.
    seed : int
        Of all that is drawn.
    level : "clip" or "window", optional
        Which a head is put on; clips if not given.
    **given
        Further arguments: those of `faunashot.estimators.head.Head` where it is one, the members
        of an ensemble.

    Raises
    ------
    ParameterError
        There is no such estimator, or it has no such setting.
    """
    from faunashot.estimators.head import Head, make_classifier

    kind = estimator_class(name, level=level)
    if issubclass(kind, Head):
        return kind(make_classifier(name, settings or {}, seed=seed), **given)
    try:
        made: Estimator = kind(**(settings or {}), seed=seed, **given)  # type: ignore[call-arg]
    except TypeError as error:
        raise ParameterError(f"head {name}: {error}") from error
    return made


def _loaded(dotted: str) -> type[Estimator]:
    module, _, name = dotted.partition(":")
    found: type[Estimator] = getattr(importlib.import_module(module), name)
    return found
