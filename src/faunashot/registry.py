"""Finds backbones, corpora, heads and the like by themselves: one module each, none in a list."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from faunashot.errors import ParameterError

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """Something that can be had by its name; nothing is imported or read before `load`.

    Attributes
    ----------
    giver : str
        Who gives it: ``faunashot``, ``package NAME``, or a file of the user.
    load : callable
        Gives the class.
    dotted : str
        Of an entry of a package, ``module:attribute``, the attribute left out where the module
        holds one class alone.
    package : str, optional
        As pip calls the package that gives it, where that is not ours.
    """

    giver: str
    load: Callable[[], Any]
    dotted: str = ""
    package: str | None = None


Found = Mapping[str, list[Entry]]
"""Entries by name: more than one where several give it."""


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
    declared : str
        Dotted path of a function, ``package.module:function``, that finds further entries: those
        that are declared in files rather than written as classes. It is called at each look-up,
        so that a file is found as soon as it is there.
    """

    def __init__(
        self,
        kind: str,
        package: str,
        *,
        contract: str,
        apart: Collection[str] = (),
        declared: str = "",
    ) -> None:
        self.kind = kind
        self.package = package
        self.contract = contract
        self.apart = frozenset(apart)
        self.declared = declared

    @cached_property
    def _coded(self) -> dict[str, list[Entry]]:
        """Entries that are classes: our own modules, and entry points of other packages."""
        found = importlib.import_module(self.package)
        own = self.contract.partition(":")[0]
        coded: dict[str, list[Entry]] = {}
        for module in pkgutil.iter_modules(found.__path__):
            name, dotted = module.name, f"{self.package}.{module.name}"
            if not (name.startswith("_") or name in self.apart or dotted == own):
                load = partial(self._only_class_in, dotted)
                coded[name] = [Entry("faunashot", load, dotted)]
        for entry in entry_points(group=self.package):
            coded.setdefault(entry.name, []).append(self._entry(entry))
        return coded

    def _entry(self, point: EntryPoint) -> Entry:
        package = None if point.dist is None else point.dist.name
        giver = point.value if package is None else f"package {package}"
        return Entry(giver, lambda: self._checked(point.load(), point.name), point.value, package)

    def _found(self) -> Found:
        if not self.declared:
            return self._coded
        found: dict[str, list[Entry]] = {n: [*entries] for n, entries in self._coded.items()}
        for name, entries in _attribute(self.declared)().items():
            found.setdefault(name, []).extend(entries)
        return found

    def names(self) -> list[str]:
        """Names in alphabetical order."""
        return sorted(self._found())

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self._found())

    def __contains__(self, name: object) -> bool:
        return name in self._found()

    def __getitem__(self, name: str) -> type[T]:
        """The class called `name`; its module is imported, or its file read, now.

        Raises
        ------
        ParameterError
            There is none, several give one of this name, or it cannot be imported or read.
        """
        entry = self._only_entry(name)
        try:
            found: type[T] = entry.load()
        except ParameterError:
            raise
        except Exception as error:  # whatever importing the code of others raises
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ParameterError(
                f"{self.kind} {name!r} of {entry.giver} cannot be imported: {reason}"
            ) from error
        return found

    def giver_of(self, name: str) -> str:
        """The one that gives the entry `name`: ``faunashot``, ``package NAME``, or a file.

        Raises
        ------
        ParameterError
            There is none, or several give one of this name; nothing is imported.
        """
        return self._only_entry(name).giver

    def _only_entry(self, name: str) -> Entry:
        found = self._found()
        if name not in found:
            raise ParameterError.unknown(self.kind, name, found)
        entries = found[name]
        if len(entries) > 1:
            givers = " and by ".join(entry.giver for entry in entries)
            raise ParameterError(f"{self.kind} {name!r} is given by {givers}: rename or remove one")
        return entries[0]

    def name_of(self, dotted: str) -> str | None:
        """The name of the entry that the class ``package.module.Class`` is of; nothing is loaded.

        None where it is neither defined in a module of ours, nor an entry point of another package.
        """
        module, _, attribute = dotted.rpartition(".")
        for name, entries in self._coded.items():
            if any(entry.dotted in (module, f"{module}:{attribute}") for entry in entries):
                return name
        return None

    def package_of(self, name: str) -> str | None:
        """The package, as pip calls it, that gives the entry `name`; None where it is ours."""
        packages = (entry.package for entry in self._found().get(name, []))
        return next((package for package in packages if package is not None), None)

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
        found: type[T] = _attribute(self.contract)
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


def _attribute(dotted: str) -> Any:
    """What ``package.module:attribute`` names; its module is imported."""
    module, _, attribute = dotted.partition(":")
    return getattr(importlib.import_module(module), attribute)
