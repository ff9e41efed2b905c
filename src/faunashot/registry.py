"""Finds backbones, corpora, heads and the like by themselves: one module each, none in a list."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Collection, Iterator
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from faunashot.errors import ParameterError

T = TypeVar("T")


class Registry(Generic[T]):
    """The classes of one kind by name: a module of a package each, or an entry point.

    A module is named after what it holds, and holds one class that is a subclass of the contract.
    Another package adds its own as an entry point of the group that is called like our package::

        [project.entry-points."faunashot.backbones"]
        mynet = "mypackage.mynet:MyNet"

    A module is imported when it is asked for, not before; listing names imports nothing.

    Parameters
    ----------
    kind : str
        What is registered, for messages and as the key of ``params.yaml``, such as ``backbone``.
    package : str
        Package whose modules are scanned, and the group of entry points.
    contract : str
        Dotted path of the class that all of them extend, ``package.module:Class``. The module
        that it stands in, and those whose names begin with an underscore, hold no entry.
    apart : collection of str
        Further modules of the package that hold no entry.
    """

    def __init__(
        self, kind: str, package: str, *, contract: str, apart: Collection[str] = ()
    ) -> None:
        self.kind = kind
        self.package = package
        self.contract = contract
        self.apart = frozenset(apart)

    @cached_property
    def _modules(self) -> dict[str, str]:
        """Dotted module by name, of our own package."""
        found = importlib.import_module(self.package)
        own = self.contract.partition(":")[0]
        named = {
            module.name: f"{self.package}.{module.name}"
            for module in pkgutil.iter_modules(found.__path__)
        }
        hidden = {name for name in named if name.startswith("_")} | self.apart
        return {n: m for n, m in named.items() if n not in hidden and m != own}

    @cached_property
    def _entry_points(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=self.package):
            found.setdefault(entry.name, []).append(entry)
        return found

    def names(self) -> list[str]:
        """Names in alphabetical order."""
        return sorted({*self._modules, *self._entry_points})

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._modules or name in self._entry_points

    def __getitem__(self, name: str) -> type[T]:
        """The class called `name`; its module is imported now.

        Raises
        ------
        ParameterError
            There is none, several packages give one of this name, or its module does not import.
        """
        giver = self.giver_of(name)
        try:
            if name in self._modules:
                return self._only_class_in(self._modules[name])
            return self._checked(self._entry_points[name][0].load(), name)
        except ParameterError:
            raise
        except Exception as error:  # whatever importing the code of others raises
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ParameterError(
                f"{self.kind} {name!r} of {giver} cannot be imported: {reason}"
            ) from error

    def giver_of(self, name: str) -> str:
        """The one that gives the entry `name`: ``faunashot``, or ``package NAME``.

        Raises
        ------
        ParameterError
            There is none, or several packages give one of this name; nothing is imported.
        """
        if name not in self:
            raise ParameterError.unknown(self.kind, name, self.names())
        givers = ["faunashot"] if name in self._modules else []
        givers += [_distribution(entry) for entry in self._entry_points.get(name, [])]
        if len(givers) > 1:
            raise ParameterError(
                f"{self.kind} {name!r} is given by {' and by '.join(givers)}: rename or remove one"
            )
        return givers[0]

    def name_of(self, dotted: str) -> str | None:
        """The name of the entry that the class ``package.module.Class`` is of; nothing is loaded.

        None where it is neither defined in a module of ours, nor an entry point of another package.
        """
        module, _, attribute = dotted.rpartition(".")
        for name, own in self._modules.items():
            if module == own:
                return name
        for name, entries in self._entry_points.items():
            if any(entry.value == f"{module}:{attribute}" for entry in entries):
                return name
        return None

    def package_of(self, name: str) -> str | None:
        """The package, as pip calls it, that gives the entry `name`; None where it is ours."""
        entries = self._entry_points.get(name, [])
        return next((entry.dist.name for entry in entries if entry.dist is not None), None)

    def classes(self) -> dict[str, type[T]]:
        """All classes by name; one that cannot be had is told in a line, and the others go on."""
        found = {}
        for name in self.names():
            try:
                found[name] = self[name]
            except ParameterError as error:
                if name not in self._told:
                    self._told.add(name)
                    print(f"faunashot: {error}", file=sys.stderr)
        return found

    @cached_property
    def _told(self) -> set[str]:
        return set()

    @cached_property
    def _contract_class(self) -> type[T]:
        module, _, attribute = self.contract.partition(":")
        found: type[T] = getattr(importlib.import_module(module), attribute)
        return found

    def _only_class_in(self, dotted: str) -> type[T]:
        module = importlib.import_module(dotted)
        own = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, self._contract_class)
            and value is not self._contract_class
            and f"{value.__module__}.".startswith(f"{dotted}.")
        ]
        if len(own) != 1:
            listed = ", ".join(sorted(value.__name__ for value in own)) or "none"
            raise ParameterError(
                f"{dotted} must hold one {self._contract_class.__name__}, not {listed}"
            )
        return own[0]

    def _checked(self, found: Any, name: str) -> type[T]:
        if not (isinstance(found, type) and issubclass(found, self._contract_class)):
            raise ParameterError(
                f"{self.kind} {name!r}: {found!r} does not extend {self.contract.replace(':', '.')}"
            )
        return found


def _distribution(entry: EntryPoint) -> str:
    return f"package {entry.dist.name}" if entry.dist is not None else entry.value
