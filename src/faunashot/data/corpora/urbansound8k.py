"""UrbanSound8K: urban sounds in ten classes and ten folds, a dog's bark among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from faunashot.audio.recordings import recordings_in
from faunashot.data import layout
from faunashot.data.corpora.base import TEST, TRAIN, VALIDATION, Clip, Corpus
from faunashot.errors import CorpusError

_TABLE = "metadata/UrbanSound8K.csv"
_SALIENCE = {"1": "foreground", "2": "background"}


class UrbanSound8K(Corpus):
    """UrbanSound8K as published: `metadata/UrbanSound8K.csv` and `audio/fold1/` to `audio/fold10/`.

    It may lie in an outer `UrbanSound8K/`, and a part of it works as well: a row whose file is
    absent is counted as missing. `group` is the Freesound recording that a slice was cut from
    (`fsID`), `salience` whether it sounds in the foreground or the background.

    The ten folds are official, and are never to be reshuffled: slices of one recording are alike,
    and its authors warn that a shuffled split, which puts them on both sides, gives inflated
    scores that cannot be compared with any published. Report the mean over all ten folds.
    Some studies train on folds 1 to 8 instead, choose on 9 and score 10: `published_parts`.
    """

    name = "urbansound8k"
    licence = "CC BY-NC 3.0"
    citation = (
        "J. Salamon, C. Jacoby, J. P. Bello (2014). A Dataset and Taxonomy for Urban Sound"
        " Research. Proceedings of the 22nd ACM International Conference on Multimedia,"
        " 1041-1044. doi:10.1145/2647868.2655045"
    )
    url = "https://zenodo.org/records/1203745"
    class_sets: ClassVar[dict[str, tuple[str, ...]]] = {
        "animals": ("dog_bark",),
        "urban": (
            *("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling"),
            *("engine_idling", "gun_shot", "jackhammer", "siren", "street_music"),
        ),
    }
    official_folds: ClassVar[tuple[str, ...]] = tuple(str(1 + n) for n in range(10))
    published_parts: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(official_folds[:8], TRAIN),
        "9": VALIDATION,
        "10": TEST,
    }

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the slices of `metadata/UrbanSound8K.csv` whose files are there."""
        base = layout.child(root, "UrbanSound8K") or root
        table = base / _TABLE
        if not table.is_file() or not (base / "audio").is_dir():
            raise self.not_here(root, f"{_TABLE} or audio/ is missing")
        names = layout.SpelledNames(base)
        listed: set[str] = set()
        fold_of: dict[str, str] = {}
        for row in layout.read_table(table, ("slice_file_name", "fsid", "fold", "class")):
            name, fold = row["slice_file_name"], row["fold"]
            path = self._path(row)
            if path is None:
                continue
            path = names.on_disk(path)
            listed.add(path)
            place, clip_id = layout.relative(base / path, root), name.removesuffix(".wav")
            salience = _SALIENCE.get(row.get("salience", ""))
            clip = Clip(clip_id, place, row["class"], fold, row["fsid"], salience=salience)
            if not (base / path).is_file():
                self.missing.append(clip)
            elif clip_id in fold_of:
                self.problems.append((place, f"{_TABLE} has it in fold {fold_of[clip_id]} too"))
            else:
                fold_of[clip_id] = fold
                yield clip
        if not fold_of:
            raise self.not_here(root, f"audio/ has none of the files that {_TABLE} lists")
        refused = {name for name, _ in self.problems}
        for file in recordings_in(base / "audio"):
            if layout.relative(file, base) not in listed and file.name not in refused:
                self.problems.append((layout.relative(file, root), f"it has no row in {_TABLE}"))

    def _path(self, row: dict[str, str]) -> str | None:
        """Where the file of a row should lie below the base; None, and a problem, where nowhere."""
        name, fold = row["slice_file_name"], row["fold"]
        if not (name and fold and row["fsid"] and row["class"]):
            self.problems.append((name or _TABLE, f"its row in {_TABLE} has an empty cell"))
            return None
        if fold not in self.official_folds:
            self.problems.append((name, f"fold {fold} in {_TABLE} is none of 1 to 10"))
            return None
        below = f"audio/fold{fold}"
        path = layout.inside(name, below=below)
        if path is None or not path.startswith(f"{below}/"):
            self.problems.append((name, f"the path in {_TABLE} leaves {below}/"))
            return None
        return path

    def fetch(self, root: Path) -> None:
        """Say how to get it: its authors ask for a form to be filled in, or give it on Zenodo."""
        raise CorpusError(
            f"UrbanSound8K is not fetched (6 GB, CC BY-NC 3.0): download UrbanSound8K.tar.gz from"
            f" {self.url} or https://urbansounddataset.weebly.com\n"
            f"and unpack it so that {root}/metadata/UrbanSound8K.csv and {root}/audio/fold1/ to"
            " fold10/ are there"
        )
