"""UrbanSound8K: urban sounds in ten classes and ten folds, a dog's bark among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from faunashot.data import layout
from faunashot.data.corpora.base import Clip, Corpus
from faunashot.errors import CorpusError

_TABLE = "metadata/UrbanSound8K.csv"


class UrbanSound8K(Corpus):
    """UrbanSound8K as published: `metadata/UrbanSound8K.csv` and `audio/fold1/` to `audio/fold10/`.

    It may lie in an outer `UrbanSound8K/`, and a part of it works as well: a row whose file is
    absent is skipped. `group` is the Freesound recording that a slice was cut from (`fsID`).

    The ten folds are official, and are never to be reshuffled: slices of one recording are alike,
    and its authors warn that a shuffled split, which puts them on both sides, gives inflated
    scores that cannot be compared with any published. Report the mean over all ten folds.
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

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the slices of `metadata/UrbanSound8K.csv` whose files are there."""
        base = layout.child(root, "UrbanSound8K") or root
        table = base / _TABLE
        if not table.is_file() or not (base / "audio").is_dir():
            raise self.not_here(root, f"{_TABLE} or audio/ is missing")
        found, names = False, layout.SpelledNames(base)
        for row in layout.read_table(table, ("slice_file_name", "fsid", "fold", "class")):
            name, fold = row["slice_file_name"], row["fold"]
            if not (name and fold and row["fsid"] and row["class"]):
                self.problems.append((name or _TABLE, f"its row in {_TABLE} has an empty cell"))
                continue
            below = f"audio/fold{fold}"
            path = layout.inside(name, below=below)
            if path is None or not path.startswith(f"{below}/"):
                self.problems.append((name, f"the path in {_TABLE} leaves {below}/"))
            elif (base / (path := names.on_disk(path))).is_file():
                found = True
                clip_id = name.removesuffix(".wav")
                relative = layout.relative(base / path, root)
                yield Clip(clip_id, relative, row["class"], fold, row["fsid"])
        if not found:
            raise self.not_here(root, f"audio/ has none of the files that {_TABLE} lists")

    def fetch(self, root: Path) -> None:
        """Say how to get it: its authors ask for a form to be filled in, or give it on Zenodo."""
        raise CorpusError(
            f"UrbanSound8K is not fetched (6 GB, CC BY-NC 3.0): download UrbanSound8K.tar.gz from"
            f" {self.url} or https://urbansounddataset.weebly.com\n"
            f"and unpack it so that {root}/metadata/UrbanSound8K.csv and {root}/audio/fold1/ to"
            " fold10/ are there"
        )
