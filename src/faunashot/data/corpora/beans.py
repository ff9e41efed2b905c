"""BEANS, the benchmark of animal sounds: its sets for classification, as its scripts leave them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from faunashot.data import layout
from faunashot.data.corpora.base import TEST, TRAIN, VALIDATION, Clip, Corpus, CorpusOptions
from faunashot.errors import CorpusError

_PARTS = {"train": TRAIN, "valid": VALIDATION, "test": TEST}


class _Place(NamedTuple):
    """Folder of a set below ``data/``, and its tables in it."""

    folder: str
    tables: str


_PLACES = {
    "bats": _Place("egyptian_fruit_bats", "annotations.{}.csv"),
    "cbi": _Place("cbi", "annotations.{}.csv"),
    "dogs": _Place("dogs", "annotations.{}.csv"),
    "esc50": _Place("esc50", "meta/esc50.{}.csv"),
    "humbugdb": _Place("HumBugDB", "data/metadata/{}.csv"),
    "watkins": _Place("watkins", "annotations.{}.csv"),
}


class BeansOptions(CorpusOptions):
    """What may be set of BEANS.

    Attributes
    ----------
    set : str
        Which of its sets for classification: marine mammals (``watkins``), fruit bats, birds
        (``cbi``), dogs, mosquitoes (``humbugdb``), or ESC-50.
    """

    set: Literal["bats", "cbi", "dogs", "esc50", "humbugdb", "watkins"] = "watkins"


class Beans(Corpus):
    """A set of BEANS: tables of train, valid and test with the columns path and label.

    The root is the checkout of BEANS, its `data/`, or the folder of the set. A row whose file is
    absent is counted as missing. Scores are those of the published test part.

    No source recordings are published, so each file is a group of its own until the audit joins
    duplicates. The parts of bats, dogs, humbugdb and watkins are a shuffle of files: pieces of one
    recording may sit on both sides.
    """

    name = "beans"
    licence = "that of each set; see its page"
    citation = (
        "M. Hagiwara, B. Hoffman, J.-Y. Liu, M. Cusimano, F. Effenberger, K. Zacarian (2023)."
        " BEANS: The Benchmark of Animal Sounds. ICASSP 2023."
        " doi:10.1109/ICASSP49357.2023.10096686"
    )
    url = "https://github.com/earthspecies/beans"
    Options = BeansOptions
    options: BeansOptions

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the rows of the three tables whose files are there."""
        folder, tables = _PLACES[self.options.set]
        first = tables.format("train")
        places = [root / "data" / folder, root / folder, root]
        base = next((place for place in places if (place / first).is_file()), None)
        if base is None:
            raise self.not_here(root, f"data/{folder}/{first} of {self.options.set} is missing")
        names, part_of = layout.SpelledNames(base), dict[str, str]()
        for written, part in _PARTS.items():
            table = base / tables.format(written)
            if not table.is_file():
                raise self.not_here(root, f"{layout.relative(table, root)} is missing")
            for row in layout.read_table(table, ("path", "label")):
                path = self._path(row, folder, table.name)
                if path is None:
                    continue
                path = names.on_disk(path)
                place = layout.relative(base / path, root)
                clip = Clip(path, place, row["label"], part, path)
                if not (base / path).is_file():
                    self.missing.append(clip)
                elif path in part_of:
                    self.problems.append((place, f"it is in {part_of[path]} and {part}"))
                else:
                    part_of[path] = part
                    yield clip
        if not part_of:
            raise self.not_here(root, f"{base} has none of the files that its tables list")

    def _path(self, row: dict[str, str], folder: str, table: str) -> str | None:
        """Path of a row below the set's folder; None, and a problem, where it has none."""
        given = row["path"].replace("\\", "/").removeprefix(f"data/{folder}/")
        path = layout.inside(given) if given and row["label"] else None
        if path is None:
            reason = "the path leaves the set" if given and row["label"] else "it has an empty cell"
            self.problems.append((row["path"] or table, f"{reason}, in {table}"))
        return path

    def fetch(self, root: Path) -> None:
        """Say how to get it: its own scripts download and convert 300 GB."""
        raise CorpusError(
            f"BEANS is not fetched: run scripts/download_data.sh of {self.url}\n"
            f"and set root to that checkout, or put one set's folder and tables at {root}"
        )
