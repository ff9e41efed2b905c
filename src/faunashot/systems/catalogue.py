"""The named systems: those of ``systems.yaml``, and every registered estimator by its own name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

import yaml

from faunashot.errors import ParameterError
from faunashot.estimators.heads import HEADS
from faunashot.estimators.kinds import (
    estimator_class,
    estimator_names,
    make_estimator,
    packages_of,
    refuse_ambiguous,
)
from faunashot.estimators.networks import NETWORKS
from faunashot.estimators.windows import WINDOWS

if TYPE_CHECKING:
    from faunashot.estimators.base import Estimator, Level
    from faunashot.estimators.windows.ensemble import Member

STEPS = ("power", "centre", "unit")
"""Steps before a head that ``systems.yaml`` leaves out."""

_TUPLES = ("steps", "members")
"""Keys of ``systems.yaml`` that hold lists."""


@dataclass(frozen=True)
class System:
    """An estimator and its settings under a name.

    Attributes
    ----------
    name : str
    head : str
        The estimator, one of `faunashot.estimators.kinds.estimator_names`.
    settings : dict
        Of the estimator, where nothing chooses them.
    grid : dict or list of dict
        Values of each setting that may be chosen on a validation fold, or several such grids;
        ``steps`` is a setting too.
    level : "clip" or "window", optional
        What a head is put on; clips if not given.
    steps : tuple of str
        They shape features before a head, see `faunashot.estimators.steps`.
    fit_steps_on : "unlabelled" or "labelled"
        All clips of the training side, or those that are learned from alone.
    backbone : str
        The one backbone or front end whose features it takes, or a pattern of several, such as
        ``whisper_*``; any where empty.
    features : "embedding" or "front_end"
        What it takes of that: the layer that is chosen, or what the backbone itself reads, to train
        it.
    protocol : dict
        Where it is a system of one protocol alone: the ``name`` of that, and those of its options
        that the system decides.
    windows_per_clip : int
        Windows of a labelled clip that a head learns beside its mean, for a half of its weight.
    backbone_options : dict
        What it sets of its backbone's options, where ``params.yaml`` does not.
    augment : dict
        What it sets of `faunashot.audio.altered.Augmentation`, where ``params.yaml`` does not.
    members : tuple of str
        The systems that an ensemble is made of.
    """

    name: str
    head: str
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, list[Any]] | list[dict[str, list[Any]]] = field(default_factory=dict)
    level: Level | None = None
    steps: tuple[str, ...] = ()
    fit_steps_on: str = "unlabelled"
    backbone: str = ""
    features: Literal["embedding", "front_end"] = "embedding"
    protocol: dict[str, Any] = field(default_factory=dict)
    windows_per_clip: int = 0
    backbone_options: dict[str, Any] = field(default_factory=dict)
    augment: dict[str, Any] = field(default_factory=dict)
    members: tuple[str, ...] = ()

    @property
    def estimator_class(self) -> type[Estimator]:
        """The class of its estimator, which is imported now."""
        return estimator_class(self.head, level=self.level)

    @property
    def estimator_classes(self) -> list[type[Estimator]]:
        """That class, and those of its members."""
        of_members = [each for of in self.members for each in system(of).estimator_classes]
        return [self.estimator_class, *of_members]

    def refuse(self, backbone: str, protocol: str = "") -> None:
        """Raise where it is not a system of this backbone, or not of this protocol, if given.

        Raises
        ------
        ParameterError
            It says which keys to set.
        """
        wanted, given = [], []
        if not self.takes(backbone):
            wanted.append(f"backbone={self._backbones()}")
            given.append(backbone)
        if protocol and self.protocol.get("name", protocol) != protocol:
            wanted.append(f"protocol.name={self.protocol['name']}")
            given.append(protocol)
        if wanted:
            raise ParameterError(
                f"system: {self.name} is for {' and '.join(wanted)}, not {' and '.join(given)}"
            )
        for name in self.members:
            system(name).refuse(backbone, protocol)

    def takes(self, backbone: str) -> bool:
        """Whether it takes the features of a backbone or front end."""
        return not self.backbone or fnmatchcase(backbone, self.backbone)

    def full_name(self, backbone: str) -> str:
        """Backbone and system under one name, such as ``birdnet-logistic``.

        A system of one backbone has its own name, one of several is not named after them twice:
        ``whisper_base-finetune`` of ``whisper-finetune``.
        """
        if backbone == self.backbone:
            return self.name
        family = self.backbone.removesuffix("_*")
        return f"{backbone}-{self.name.removeprefix(f'{family}-')}"

    def _backbones(self) -> str:
        from faunashot.backbones.base import BACKBONES
        from faunashot.frontends.base import FRONT_ENDS

        return " or ".join(name for name in (*BACKBONES, *FRONT_ENDS) if self.takes(name))

    def estimator(
        self, *, seed: int, blocks: Sequence[int] | None = None, **settings: Any
    ) -> Estimator:
        """Its estimator, unfitted.

        Parameters
        ----------
        seed : int
            Of all that is drawn.
        blocks : sequence of int, optional
            Widths of the backbones' parts of the features.
        **settings
            In place of the system's own; ``steps`` is one, and ``source_head``.
        """
        from faunashot.estimators.head import Head

        further: dict[str, Any] = {}
        if self.members:
            further = {"members": [self._member(of, seed, blocks) for of in self.members]}
        if issubclass(self.estimator_class, Head):
            further = {
                "steps": settings.pop("steps", self.steps),
                "source_head": settings.pop("source_head", None),
                "fit_steps_on": self.fit_steps_on,
                "windows_per_clip": self.windows_per_clip,
                "blocks": blocks,
            }
        given = {**self.settings, **settings}
        return make_estimator(self.head, given, seed=seed, level=self.level, **further)

    @staticmethod
    def _member(name: str, seed: int, blocks: Sequence[int] | None) -> Member:
        from faunashot.estimators.windows.ensemble import Member

        of = system(name)
        make = partial(of.estimator, seed=seed, blocks=blocks)
        return Member(name, make, of.grid, packages_of(of.head))


@cache
def systems() -> dict[str, System]:
    """All systems by name; a registered estimator that ``systems.yaml`` leaves out is one, too."""
    text = resources.files("faunashot.systems").joinpath("systems.yaml").read_text("utf-8")
    found = {
        name: System(name=name, **spec | {key: tuple(spec.get(key, ())) for key in _TUPLES})
        for name, spec in yaml.safe_load(text).items()
    }
    named = {of.head for of in found.values()}
    networks = {of.settings.get("network"): of for of in found.values()}
    for name in NETWORKS:
        if name not in {*networks, *found}:
            like = networks["cnn1d"]
            found[name] = replace(like, name=name, settings={"network": name})
    for name in estimator_names():
        if name not in {*named, *found}:
            found[name] = System(name, name, steps=STEPS if name in HEADS else ())
    return found


def system_names() -> list[str]:
    """Names that ``system`` in ``params.yaml`` may have."""
    return list(systems())


def system(name: str) -> System:
    """The system called `name`.

    Raises
    ------
    ParameterError
        There is none, or several things have its name.
    """
    if name not in systems():
        raise ParameterError.unknown("system", name, systems())
    found = systems()[name]
    refuse_ambiguous(found.head)
    network = found.settings.get("network")
    for registry, own in ((HEADS, found.head), (WINDOWS, found.head), (NETWORKS, network)):
        package = registry.package_of(name)
        if package is not None and name != own:
            raise ParameterError(
                f"system: {name!r} is one of ours, and a {registry.kind} of package {package}: "
                "rename or remove that"
            )
    return found
