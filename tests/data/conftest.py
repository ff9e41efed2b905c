"""Tiny corpora, laid out as published, and what they are made with."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

_ESC50_HEADER = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
# fmt: off
_URBANSOUND8K_HEADER = (
    "slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class",
)
# fmt: on


def _touch(root: Path, *names: str) -> None:
    """Write files whose content is their name: corpora do not open recordings."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def _write_table(path: Path, *rows: Iterable[object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def _make_esc50(root: Path) -> None:
    _write_table(
        root / "meta/esc50.csv",
        _ESC50_HEADER,
        ("1-2-A-0.wav", 1, 0, "dog", True, 2, "A"),
        ("1-1-B-41.wav", 1, 41, "chainsaw", True, 1, "B"),
        ("1-1-A-41.wav", 1, 41, "chainsaw", True, 1, "A"),
        ("5-9-A-1.wav", 5, 1, "rooster", True, 9, "A"),
    )
    _touch(root / "audio", "1-2-A-0.wav", "1-1-B-41.wav", "1-1-A-41.wav", "5-9-A-1.wav")


def _make_gtzan(root: Path) -> None:
    _touch(root / "genres", "rock/rock.00001.au", "blues/blues.00000.wav", "jazz/jazz.00054.wav")


def _make_animals_sounds(root: Path) -> None:
    _touch(
        root, "Training/Cat/b.wav", "Training/Dog/a.WAV", "Testing/Cat/b.wav", "Noise/Wind/w.wav"
    )


def _make_folder(root: Path) -> None:
    _touch(root, "wren/two.flac", "wren/2024/one.wav", "owl/three.mp3")


def _make_demo(root: Path) -> None:
    _write_table(
        root / "clips.csv",
        ("filename", "label", "fold", "group"),
        ("dog-1.ogg", "dog", 1, "dog-1"),
        ("background-1.ogg", "background", 2, "background-1"),
        ("cow-1.ogg", "cow", 2, "cow-1"),
    )
    _touch(root / "audio", "dog-1.ogg", "background-1.ogg", "cow-1.ogg")


def _make_urbansound8k(root: Path) -> None:
    _write_table(
        root / "metadata/UrbanSound8K.csv",
        _URBANSOUND8K_HEADER,
        ("7-3-0-0.wav", 7, 0.0, 0.3, 1, 5, 3, "dog_bark"),
        ("7-3-0-1.wav", 7, 0.5, 1.0, 2, 5, 3, "dog_bark"),
        ("9-8-0-2.wav", 9, 0.0, 4.0, 1, 10, 8, "siren"),
    )
    _touch(root / "audio", "fold5/7-3-0-0.wav", "fold5/7-3-0-1.wav", "fold10/9-8-0-2.wav")


def _make_audioset(root: Path) -> None:
    """A dog and a cat in each part, each known by one label."""
    nodes = [("/m/0jbk", "Animal", ["/m/0bt9lr", "/m/01yrx"])]
    nodes += [("/m/0bt9lr", "Dog", []), ("/m/01yrx", "Cat", [])]
    of = [{"id": at, "name": name, "child_ids": below} for at, name, below in nodes]
    (root / "ontology.json").write_text(json.dumps(of))
    for number, name in enumerate(("balanced_train_segments.csv", "eval_segments.csv")):
        lines = ["# YTID, start_seconds, end_seconds, positive_labels"]
        for letter, (at, *_) in zip("dc", nodes[1:], strict=True):
            video = f"{letter * 10}{number}"
            lines.append(f'{video}, 30.000, 40.000, "{at}"')
            _touch(root / "audio", f"{video}.wav")
        (root / name).write_text("\n".join(lines))


def _make_beans(root: Path) -> None:
    """The whales of BEANS: a row in each part."""
    rows = {"train": ("Beluga", "Narwhal"), "valid": ("Beluga",), "test": ("Narwhal",)}
    for part, labels in rows.items():
        paths = [f"audio/{part}{n}.wav" for n in range(len(labels))]
        _touch(root / "data/watkins", *paths)
        of = ((n, f"data/watkins/{paths[n]}", label) for n, label in enumerate(labels))
        table = root / f"data/watkins/annotations.{part}.csv"
        _write_table(table, ("", "path", "label"), *of)


def _make_birdset(root: Path) -> None:
    """Two focal recordings of two birds, and a segment of a soundscape of each."""
    focal = pd.DataFrame(
        {"filepath": ["XC1.ogg", "XC2.ogg"], "ebird_code": ["gcrfin", "whcspa"]},
    )
    names = [f"HSN_001_20150708_061805_00{n}_005.ogg" for n in (0, 5)]
    heard = pd.Index(names, name="filepath")
    scape = pd.DataFrame({"ebird_code_multilabel": [["gcrfin"], ["whcspa"]]}, index=heard)
    (root / "HSN").mkdir()
    focal.to_parquet(root / "HSN/HSN_metadata_train.parquet")
    scape.to_parquet(root / "HSN/HSN_metadata_test_5s.parquet")
    _touch(root / "HSN", *(f"train/{name}" for name in focal["filepath"]))
    _touch(root / "HSN", *(f"test_5s/{name}" for name in names))


_MAKERS: dict[str, Callable[[Path], None]] = {
    "animals_sounds": _make_animals_sounds,
    "audioset": _make_audioset,
    "beans": _make_beans,
    "birdset": _make_birdset,
    "demo": _make_demo,
    "esc50": _make_esc50,
    "folder": _make_folder,
    "gtzan": _make_gtzan,
    "none": lambda root: root.mkdir(exist_ok=True),
    "urbansound8k": _make_urbansound8k,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder for one corpus."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


@pytest.fixture
def make() -> Callable[[str, Path], None]:
    """Write a tiny corpus of a name into an existing folder."""
    return lambda name, root: _MAKERS[name](root)


@pytest.fixture
def touch() -> Callable[..., None]:
    """Write files of given names into a folder; folders are made."""
    return _touch


@pytest.fixture
def write_table() -> Callable[..., None]:
    """Write a CSV file of given rows."""
    return _write_table


@pytest.fixture
def clips_of() -> Callable[..., pd.DataFrame]:
    """Make a table of clips from a text: a line a clip, `id label fold group`, fold - for none."""
    return _clips_of


def _clips_of(text: str, *, sha256: str = "") -> pd.DataFrame:
    rows = [line.split() for line in text.strip().splitlines()]
    table = pd.DataFrame(rows, columns=["clip_id", "label", "fold", "group"])
    table["fold"] = table["fold"].where(table["fold"] != "-", None)
    table["path"] = table["clip_id"] + ".wav"
    return table.assign(sha256=sha256.split() or table["clip_id"])
