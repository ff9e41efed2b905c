"""BEANS: each set where its scripts put it, in its published parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from faunashot.data.corpora.beans import Beans
from faunashot.data.ingest import located
from faunashot.data.splits import Splits
from faunashot.errors import CorpusError

Write = Callable[..., None]
Touch = Callable[..., None]

PLACES = {
    "bats": ("egyptian_fruit_bats", "annotations.{}.csv", "audio/{}.wav"),
    "cbi": ("cbi", "annotations.{}.csv", "wav/{}.wav"),
    "dogs": ("dogs", "annotations.{}.csv", "wav/{}.wav"),
    "esc50": ("esc50", "meta/esc50.{}.csv", "audio/{}.wav"),
    "humbugdb": ("HumBugDB", "data/metadata/{}.csv", "data/audio/{}.wav"),
    "watkins": ("watkins", "annotations.{}.csv", "BelugaWhale/{}.wav"),
}
ROWS = {"train": ["7", "8", "7"], "valid": ["8"], "test": ["7", "8"]}


def lay_out(name: str, data: Path, write_table: Write, touch: Touch) -> Path:
    folder, tables, files = PLACES[name]
    for part, labels in ROWS.items():
        paths = [files.format(f"{part}-{n}") for n in range(len(labels))]
        touch(data / folder, *paths)
        rows = ((n, f"data/{folder}/{paths[n]}", label) for n, label in enumerate(labels))
        write_table(data / folder / tables.format(part), ("", "path", "label"), *rows)
    return data / folder


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("above", ["", "data"])
def test_every_set_is_found_where_it_lies(root, write_table, touch, name: str, above: str) -> None:
    lay_out(name, root / above, write_table, touch)
    clips = list(Beans(set=name).clips(root))
    assert len(clips) == 6
    assert {clip.label for clip in clips} == {"7", "8"}
    assert all(clip.group == clip.clip_id for clip in clips)
    (split,) = Splits(located(Beans(set=name), root), seed=0)
    assert [len(of) for of in (split.train, split.validation, split.test)] == [3, 1, 2]
    assert all("test-" in clip_id for clip_id in split.test)


def test_the_root_may_be_the_folder_of_the_set(root, write_table, touch) -> None:
    folder = lay_out("dogs", root, write_table, touch)
    (first, *_) = Beans(set="dogs").clips(folder)
    assert (first.clip_id, first.path) == ("wav/test-0.wav", "wav/test-0.wav")


def test_rows_without_files_are_missing_and_bad_rows_are_told(root, write_table, touch) -> None:
    folder = lay_out("watkins", root, write_table, touch)
    (folder / "BelugaWhale/train-0.wav").unlink()
    with (folder / "annotations.test.csv").open("a") as table:
        table.write("9,data/watkins/BelugaWhale/train-1.wav,8\n")
        table.write("10,data/watkins/../dogs/x.wav,8\n11,,8\n")
    corpus = Beans()
    assert len(list(corpus.clips(root))) == 5
    assert [clip.clip_id for clip in corpus.missing] == ["BelugaWhale/train-0.wav"]
    assert corpus.problems == [
        ("watkins/BelugaWhale/train-1.wav", "it is in train and test"),
        ("data/watkins/../dogs/x.wav", "the path leaves the set, in annotations.test.csv"),
        ("annotations.test.csv", "it has an empty cell, in annotations.test.csv"),
    ]


def test_a_set_that_is_not_there_is_named(root, write_table, touch) -> None:
    folder = lay_out("watkins", root, write_table, touch)
    with pytest.raises(CorpusError, match=r"data/cbi/annotations\.train\.csv of cbi is missing"):
        list(Beans(set="cbi").clips(root))
    (folder / "annotations.valid.csv").unlink()
    with pytest.raises(CorpusError, match=r"watkins/annotations\.valid\.csv is missing"):
        list(Beans().clips(root))
