"""What a corpus is: a published folder layout that is read as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar
from unicodedata import normalize

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from faunashot.errors import CorpusError, ParameterError
from faunashot.options import Options
from faunashot.targets import join_names, names_of

TRAIN, VALIDATION, TEST = "train", "validation", "test"
"""Fold names of a corpus whose split is published as fixed parts instead of rotating folds."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording, as its corpus lists it; the file has not been opened yet.

    Attributes
    ----------
    clip_id : str
        Unique within the corpus, the same on every machine.
    path : str
        POSIX path relative to the corpus' root.
    label : str
        Class name. Of a corpus with `Corpus.multi_label`, class names as
        `faunashot.targets.join_names` joins them, "" where the clip is of none of the classes.
    fold : str or None
        Official fold (``"1"``, ...) or part (`TRAIN`, `VALIDATION`, `TEST`), None if none.
    group : str
        The source recording; clips of one group never sit on both sides of a split.
    salience : str or None
        How it sounds in the recording, such as "foreground" or "background", where the corpus
        says: figures are also given by it.
    part : str or None
        Of a study's fixed split: `TRAIN`, `VALIDATION` or `TEST`. `Corpus.clips` fills it in.
    """

    clip_id: str
    path: str
    label: str
    fold: str | None
    group: str
    salience: str | None = None
    part: str | None = None

    def __post_init__(self) -> None:
        """Spell names in one way of Unicode's, so that a table's and a folder's are the same."""
        object.__setattr__(self, "label", normalize("NFC", self.label))
        object.__setattr__(self, "group", normalize("NFC", self.group))


def _names(given: object) -> object:
    """Refuse what is neither a name nor a list of names; spell them as `Clip` does."""
    listed = given if isinstance(given, list) else [given]
    if not all(isinstance(name, str) for name in listed):
        raise PydanticCustomError(
            "class_names", "needs 'all', the name of a set, or a list of class names"
        )
    names = [normalize("NFC", str(name)) for name in listed]
    return names if isinstance(given, list) else names[0]


ClassNames = Annotated[str | list[str], BeforeValidator(_names)]
"""Type of the option `CorpusOptions.classes`."""


class CorpusOptions(Options):
    """What may be set of any corpus in ``params.yaml``.

    Attributes
    ----------
    classes : str or list of str
        "all", a set of `Corpus.class_sets`, or class names.
    """

    classes: ClassNames = "all"


class Corpus:
    """Contract of a corpus module: subclass, set the facts, write `entries`.

    A module of this package that holds one such class is found by itself, under its own name.

    Parameters
    ----------
    name : str, optional
        What ``params.yaml`` calls the corpus, where that is not the name of its class.
    **options
        What `Options` declares.

    Attributes
    ----------
    options : CorpusOptions
        The options as given, checked, with the defaults of those that were not.
    problems : list of (str, str)
        Path or table row, and reason, of each entry that `clips` had to leave out.
    missing : list of Clip
        Clips of the wanted classes that the corpus' table lists and whose files are not there, as
        in a part of a corpus: counted, and no problem.
    official_folds : tuple of str
        All folds of the whole corpus, where their names are fixed.
    published_parts : mapping of str to str
        Of each fold the part that it is in a published study: `TRAIN`, `VALIDATION` or `TEST`.
    known_faults : dict
        What is known to be wrong with a clip, by its id; the clip is listed all the same.
    multi_label : bool
        Whether a clip may carry several classes, or none.
    """

    name: str
    licence: ClassVar[str]
    citation: ClassVar[str]
    url: ClassVar[str | None]
    class_sets: ClassVar[dict[str, tuple[str, ...]]] = {}
    known_faults: ClassVar[dict[str, str]] = {}
    official_folds: ClassVar[tuple[str, ...]] = ()
    published_parts: ClassVar[Mapping[str, str]] = {n: n for n in (TRAIN, VALIDATION, TEST)}
    Options: ClassVar[type[CorpusOptions]] = CorpusOptions
    options: CorpusOptions
    multi_label: bool = False

    def __init__(self, name: str | None = None, **options: Any) -> None:
        if name is not None:
            self.name = name
        self.options = self.Options.read(options, key=f"corpora.{self.name}")
        self.problems: list[tuple[str, str]] = []
        self.missing: list[Clip] = []

    def clips(self, root: Path) -> Iterator[Clip]:
        """Yield the clips of the wanted classes under `root`, sorted by path.

        Of a clip with several classes the wanted ones are kept; one that has others only is left
        out, and one that is of none of the corpus' classes stays.

        Raises
        ------
        CorpusError
            `root` does not hold the published layout.
        """
        self.problems, self.missing = [], []
        if not root.is_dir():
            raise self.not_here(root, "there is no such folder")
        entries = sorted(self.entries(root), key=lambda clip: clip.path)
        wanted = self.wanted(name for clip in entries for name in self._names(clip))
        self.missing = [*self._of_classes(self.missing, wanted)]
        yield from self._of_classes(entries, wanted)

    def _of_classes(self, clips: Iterable[Clip], wanted: frozenset[str]) -> Iterator[Clip]:
        """The clips of the wanted classes, each with the part that its fold is of."""
        for clip in clips:
            names = self._names(clip)
            kept = [name for name in names if name in wanted]
            if kept or not names:
                label = join_names(kept) if self.multi_label else clip.label
                yield replace(clip, label=label, part=self.published_parts.get(clip.fold or ""))

    def _names(self, clip: Clip) -> list[str]:
        return list(names_of(clip.label, multi_label=self.multi_label))

    def entries(self, root: Path) -> Iterable[Clip]:
        """List every clip under the existing folder `root`, in any order.

        Fills `problems`, and `missing` where a table lists what is not there.

        Raises
        ------
        CorpusError
            `root` does not hold the published layout.
        """
        raise NotImplementedError

    def noise(self, root: Path) -> Iterator[Path]:
        """Yield the recordings of noise under `root`, where a corpus has some beside its clips."""
        yield from ()

    def missing_folds(self, present: Iterable[str | None]) -> list[str]:
        """The official folds that are not among those of the clips at hand."""
        there = set(present)
        return [fold for fold in self.official_folds if fold not in there]

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
        """Resolve the option `classes` against the class names that the corpus has at hand.

        Raises
        ------
        ParameterError
            A wanted class does not exist; the message names the nearest one.
        """
        classes = self.options.classes
        known = set(present) | {name for names in self.class_sets.values() for name in names}
        if classes == "all":
            return frozenset(known)
        if isinstance(classes, str) and classes in self.class_sets:
            return frozenset(self.class_sets[classes])
        names = [classes] if isinstance(classes, str) else classes
        for name in names:
            if name not in known:
                raise ParameterError.unknown(
                    f"corpora.{self.name}.classes", name, [*known, *self.class_sets, "all"]
                )
        return frozenset(names)
