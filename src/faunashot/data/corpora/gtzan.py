"""GTZAN: thirty-second excerpts of music in ten genres."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from faunashot.data import layout
from faunashot.data.corpora.base import TEST, TRAIN, VALIDATION, Clip, Corpus
from faunashot.errors import CorpusError

_PLACES: tuple[tuple[str, ...], ...] = (
    ("genres",),
    ("genres_original",),
    ("Data", "genres_original"),
    (),
)
_SPLIT = {
    TRAIN: "train_filtered.txt",
    VALIDATION: "valid_filtered.txt",
    TEST: "test_filtered.txt",
}
_EXCERPT = re.compile(r"([a-z]+\.\d{5})(\.\w+)?$")


class Gtzan(Corpus):
    """GTZAN as published (`genres/<genre>/`) or as on Kaggle (`Data/genres_original/<genre>/`).

    Sturm (2013, "The GTZAN dataset: Its contents, its faults, their effects on evaluation, and its
    future use") found repetitions, mislabellings and distortions. Where the fault-filtered split
    of Kereliuk, Sturm and Larsen (2015, "Deep Learning and Music Adversaries"; 443, 197 and 290
    excerpts) lies in the root as `train_filtered.txt`, `valid_filtered.txt` and
    `test_filtered.txt`, only its excerpts are listed; otherwise all are, with no fold.
    """

    name = "gtzan"
    licence = "none stated: excerpts of commercial recordings, for research only"
    citation = (
        "G. Tzanetakis, P. Cook (2002). Musical genre classification of audio signals. IEEE"
        " Transactions on Speech and Audio Processing 10(5), 293-302. doi:10.1109/TSA.2002.800560"
    )
    url = "https://www.kaggle.com/datasets/andradaolteanu/gtzan-dataset-music-genre-classification"
    genres: ClassVar[tuple[str, ...]] = (
        *("blues", "classical", "country", "disco", "hiphop"),
        *("jazz", "metal", "pop", "reggae", "rock"),
    )
    class_sets: ClassVar[dict[str, tuple[str, ...]]] = {"genres": genres}
    known_faults: ClassVar[dict[str, str]] = {
        "jazz.00054": "this file is broken in the copies that are passed around"
    }

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the excerpts, those of the fault-filtered split alone where it is there."""
        files = self._files(root)
        if not files:
            raise self.not_here(root, "there is no genres/<genre>/*.wav or *.au")
        folds = self._folds(root)
        for stem in sorted(folds.keys() - files.keys()):
            self.problems.append((stem, f"in {_SPLIT[folds[stem]]}, but there is no such file"))
        for stem, path in files.items():
            if stem in folds or not folds:
                genre = path.parent.name.lower()
                yield Clip(stem, layout.relative(path, root), genre, folds.get(stem), stem)

    def fetch(self, root: Path) -> None:
        """Say how to get it: Kaggle wants an account."""
        raise CorpusError(
            f"GTZAN cannot be fetched: with a Kaggle account, download {self.url}\n"
            f"and unpack it so that {root}/Data/genres_original/<genre>/ holds the .wav files"
        )

    def _files(self, root: Path) -> dict[str, Path]:
        for place in _PLACES:
            base = layout.child(root, *place)
            folders = [layout.child(base, genre) for genre in self.genres] if base else []
            files: dict[str, Path] = {}
            for folder in filter(None, folders):
                for path in sorted(folder.iterdir()):
                    if path.suffix.lower() not in (".wav", ".au") or path.name.startswith("."):
                        continue
                    first = files.setdefault(path.stem, path)
                    if first != path:
                        self.problems.append(
                            (layout.relative(path, root), f"the same excerpt as {first.name}")
                        )
            if files:
                return files
        return {}

    def _folds(self, root: Path) -> dict[str, str]:
        """Read the fault-filtered split: stem -> fold; empty where it is not there."""
        absent = [name for name in _SPLIT.values() if not (root / name).is_file()]
        if len(absent) == len(_SPLIT):
            return {}
        if absent:
            raise CorpusError(f"{root} holds a part of the fault-filtered split: add {absent[0]}")
        folds: dict[str, str] = {}
        for fold, name in _SPLIT.items():
            for line in (root / name).read_text(encoding="utf-8").split():
                match = _EXCERPT.search(line)
                if match is None:
                    self.problems.append((line, f"in {name}, but not a name such as jazz.00054"))
                elif folds.setdefault(match[1], fold) != fold:
                    raise CorpusError(f"{match[1]} is in both {_SPLIT[folds[match[1]]]} and {name}")
        return folds
