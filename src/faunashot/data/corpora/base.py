"""What a corpus is: a published folder layout that is read as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from faunashot.errors import CorpusError, ParameterError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
"""Fold names of a corpus whose split is published as fixed parts instead of rotating folds."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording, as its corpus lists it; the file has not been opened yet.

    Attributes
    ----------
    clip_id : unique within the corpus, the same on every machine.
    path : POSIX path relative to the corpus' root.
    label : class name.
    fold : official fold (``"1"``, ...) or part (`TRAIN`, `VALIDATION`, `TEST`), None if none.
    group : the source recording; clips of one group never sit on both sides of a split.
    """

    clip_id: str
    path: str
    label: str
    fold: str | None
    group: str


class Corpus:
    """Contract of a corpus module: subclass, set the facts, write `entries`.

    Parameters
    ----------
    classes : "all", a named set from `class_sets`, or a list of class names.

    Attributes
    ----------
    problems : (path or table row, reason) of each entry that `clips` had to leave out.
    known_faults : clip_id -> what is known to be wrong with that clip; it is listed all the same.
    """

    name: str
    licence: ClassVar[str]
    citation: ClassVar[str]
    url: ClassVar[str | None]
    class_sets: ClassVar[dict[str, tuple[str, ...]]] = {}
    known_faults: ClassVar[dict[str, str]] = {}

    def __init__(self, classes: str | list[str] = "all") -> None:
        self.classes = classes
        self.problems: list[tuple[str, str]] = []

    def clips(self, root: Path) -> Iterator[Clip]:
        """Yield the clips of the wanted classes under `root`, sorted by path.

        Raises
        ------
        CorpusError
            `root` does not hold the published layout.
        """
        self.problems = []
        if not root.is_dir():
            raise self.not_here(root, "there is no such folder")
        entries = sorted(self.entries(root), key=lambda clip: clip.path)
        wanted = self.wanted(clip.label for clip in entries)
        yield from (clip for clip in entries if clip.label in wanted)

    def entries(self, root: Path) -> Iterable[Clip]:
        """List every clip under the existing folder `root`, in any order; fill `problems`.

        Raises
        ------
        CorpusError
            `root` does not hold the published layout.
        """
        raise NotImplementedError

    def noise(self, root: Path) -> Iterator[Path]:
        """Yield the recordings of noise under `root`, where a corpus has some beside its clips."""
        yield from ()

    def not_here(self, root: Path, reason: str) -> CorpusError:
        """Make the error for a `root` that does not hold this corpus."""
        where = f", see {self.url}" if self.url else ""
        return CorpusError(f"{root} does not hold the corpus {self.name}: {reason}{where}")

    def fetch(self, root: Path) -> None:
        """Bring the corpus to `root`: a resumable, checksummed download where one is allowed.

        Raises
        ------
        CorpusError
            The corpus cannot be fetched; the message says how to get it and where to put it.
        """
        raise CorpusError(f"{self.name} has nothing to fetch: put it at {root}, see {self.url}")

    def wanted(self, present: Iterable[str]) -> frozenset[str]:
        """Resolve `classes` against the class names that the corpus has at hand.

        Raises
        ------
        ParameterError
            A wanted class does not exist; the message names the nearest one.
        """
        known = set(present) | {name for names in self.class_sets.values() for name in names}
        if self.classes == "all":
            return frozenset(known)
        if isinstance(self.classes, str) and self.classes in self.class_sets:
            return frozenset(self.class_sets[self.classes])
        names = [self.classes] if isinstance(self.classes, str) else list(self.classes)
        for name in names:
            if name not in known:
                raise ParameterError.unknown(
                    f"corpora.{self.name}.classes", name, [*known, *self.class_sets, "all"]
                )
        return frozenset(names)
