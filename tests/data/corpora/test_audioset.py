"""AudioSet as published: tables with comments and quoted labels, an ontology, files by video."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from faunashot.data.corpora import create
from faunashot.data.corpora.audioset import AudioSet
from faunashot.data.ingest import located
from faunashot.data.packed import Packed, pack
from faunashot.data.splits import Splits
from faunashot.errors import CorpusError, ParameterError

Touch = Callable[..., None]

NODES = {
    "/m/0jbk": ("Animal", ["/m/068hy", "/m/01z5f"]),
    "/m/068hy": ("Domestic animals, pets", ["/m/0bt9lr", "/m/01yrx"]),
    "/m/0bt9lr": ("Dog", ["/m/05tny_"]),
    "/m/05tny_": ("Bark", []),
    "/m/01yrx": ("Cat", []),
    "/m/01z5f": ("Canidae, dogs, wolves", ["/m/0bt9lr"]),
    "/m/04rlf": ("Music", ["/t/dd00001"]),
    "/t/dd00001": ("Never heard", []),
}
DOG, BARK, CAT, MUSIC = "/m/0bt9lr", "/m/05tny_", "/m/01yrx", "/m/04rlf"

TRAIN_ROWS = [
    ("-aB_cD-eF_1", 30, [DOG, BARK]),
    ("aaaaaaaaaa2", 0, [CAT]),
    ("aaaaaaaaaa3", 10, [DOG, MUSIC]),
    ("aaaaaaaaaa4", 20, [MUSIC]),
]
EVAL_ROWS = [
    ("bbbbbbbbbb1", 30, [DOG, BARK, CAT]),
    ("bbbbbbbbbb2", 40, [CAT, MUSIC]),
    ("Ybbbbbbbbb3", 50, [DOG]),
]


def write_segments(file: Path, rows: list[tuple[str, float, list[str]]]) -> None:
    head = "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=3, num_segs=3\n"
    head += "# YTID, start_seconds, end_seconds, positive_labels\n"
    lines = (f'{v}, {s:.3f}, {s + 10:.3f}, "{",".join(labels)}"\n' for v, s, labels in rows)
    file.write_text(head + "".join(lines))


@pytest.fixture
def published(root: Path, touch: Touch) -> Path:
    """The published tables in a folder of their own, and seven recordings as people name them."""
    (root / "tables").mkdir()
    nodes = [{"id": at, "name": name, "child_ids": of} for at, (name, of) in NODES.items()]
    (root / "tables/ontology.json").write_text(json.dumps(nodes))
    heard = {at: name for at, (name, _) in NODES.items() if name != "Never heard"}
    rows = (f'{n},{at},"{name}"\n' for n, (at, name) in enumerate(heard.items()))
    (root / "tables/class_labels_indices.csv").write_text(
        "index,mid,display_name\n" + "".join(rows)
    )
    write_segments(root / "tables/balanced_train_segments.csv", TRAIN_ROWS)
    write_segments(root / "tables/eval_segments.csv", EVAL_ROWS)
    touch(root, "train/-aB_cD-eF_1.wav", "train/Yaaaaaaaaaa2.flac", "train/aaaaaaaaaa3_10.000.opus")
    touch(root, "train/deep/aaaaaaaaaa4_20_30.m4a", "eval/bbbbbbbbbb1_30000.wav")
    touch(root, "eval/bbbbbbbbbb2.ogg", "eval/YYbbbbbbbbb3.mp3")
    return root


def listed(root: Path, **options: object) -> dict[str, tuple[str, str, str | None, str]]:
    clips = AudioSet(**options).clips(root)
    return {clip.clip_id: (clip.path, clip.label, clip.fold, clip.group) for clip in clips}


def test_facts_of_a_clip(published: Path) -> None:
    found = listed(published)
    assert len(found) == 7
    first = ("train/-aB_cD-eF_1.wav", "Bark;Dog", "train", "-aB_cD-eF_1")
    assert found["-aB_cD-eF_1_30"] == first
    assert found["Ybbbbbbbbb3_50"] == ("eval/YYbbbbbbbbb3.mp3", "Dog", "test", "Ybbbbbbbbb3")
    assert found["bbbbbbbbbb1_30"][0] == "eval/bbbbbbbbbb1_30000.wav"
    assert found["aaaaaaaaaa4_20"][0] == "train/deep/aaaaaaaaaa4_20_30.m4a"


@pytest.mark.parametrize("classes", ["animals", "Animal", ["/m/0jbk"], ["Cat", "/m/0bt9lr"]])
def test_a_node_stands_for_all_that_is_below_it(published: Path, classes: object) -> None:
    found = listed(published, classes=classes)
    assert {label for _, label, *_ in found.values()} == {"Bark;Dog", "Cat", "Dog", "Bark;Cat;Dog"}
    assert "aaaaaaaaaa4_20" not in found  # of music alone
    assert set(listed(published, classes=["Bark"])) == {"-aB_cD-eF_1_30", "bbbbbbbbbb1_30"}


def test_an_ontology_that_loops_ends(published: Path) -> None:
    nodes = [
        {"id": at, "name": name, "child_ids": [*of, "/m/0jbk"]}
        for at, (name, of) in NODES.items()
        if name != "Music"
    ]
    (published / "tables/ontology.json").write_text(json.dumps(nodes))
    assert len(listed(published, classes="animals")) == 6


def test_the_parts_are_those_published(published: Path) -> None:
    clips: pd.DataFrame = located(AudioSet(classes="animals"), published)
    clips = clips.assign(multi_label=True)
    (split,) = Splits(clips, seed=0)
    assert set(split.test) == {"bbbbbbbbbb1_30", "bbbbbbbbbb2_40", "Ybbbbbbbbb3_50"}
    assert set(split.learnable) == {"-aB_cD-eF_1_30", "aaaaaaaaaa2_0", "aaaaaaaaaa3_10"}


def test_unbalanced_segments_are_learned_from_where_that_is_said(published, touch: Touch) -> None:
    write_segments(published / "tables/unbalanced_train_segments.csv", [("ccccccccccc", 0, [DOG])])
    touch(published, "ccccccccccc.wav")
    assert "ccccccccccc_0" not in listed(published)
    assert "ccccccccccc_0" in listed(published, train="both")
    found = listed(published, train="unbalanced")
    assert {i for i, (_, _, fold, _) in found.items() if fold == "train"} == {"ccccccccccc_0"}


def test_videos_that_vanished_are_counted_where_they_are_of_the_classes(published: Path) -> None:
    for name in ("train/aaaaaaaaaa3_10.000.opus", "train/deep/aaaaaaaaaa4_20_30.m4a"):
        (published / name).unlink()
    corpus = AudioSet(classes="animals")
    assert len(list(corpus.clips(published))) == 5
    assert [(clip.clip_id, clip.label) for clip in corpus.missing] == [("aaaaaaaaaa3_10", "Dog")]
    assert corpus.problems == []


def test_rows_that_cannot_be_used_are_reported(published: Path, touch: Touch) -> None:
    with (published / "tables/eval_segments.csv").open("a") as table:
        table.write('ddddddddddd, 0.000, 10.000, "/m/0bt9lr,/m/nothing"\n')
        table.write('eeeeeeeeeee, 0.000, 10.000, ""\n')
        table.write("fffffffffff, soon, later\n")
        table.write('bbbbbbbbbb2, 90.000, 100.000, "/m/01yrx"\n')
        table.write('ggggggggggg, 0.000, 10.000, "/m/nothing"\n')
    touch(published, "ddddddddddd.wav", "eeeeeeeeeee.wav", "fffffffffff.wav")
    corpus = AudioSet()
    assert len(list(corpus.clips(published))) == 7
    assert dict(corpus.problems) == {
        "ddddddddddd.wav": "eval_segments.csv, line 7 has the unknown label /m/nothing",
        "eeeeeeeeeee.wav": "eval_segments.csv, line 8 gives it no label",
        "eval_segments.csv, line 9": "it is not YTID, start, end and quoted labels",
        "eval/bbbbbbbbbb2.ogg": "eval_segments.csv, line 10 is another segment of a video that has "
        "one recording",
    }


def test_a_class_that_tells_nothing_is_left_out_and_told(published: Path) -> None:
    rows = [(video, start, ["/m/0jbk", *labels]) for video, start, labels in TRAIN_ROWS[:3]]
    write_segments(published / "tables/balanced_train_segments.csv", rows)
    rows = [(video, start, ["/m/0jbk", *labels]) for video, start, labels in EVAL_ROWS[1:]]
    write_segments(published / "tables/eval_segments.csv", rows)
    corpus = AudioSet(classes="animals")
    found = {clip.clip_id: clip.label for clip in corpus.clips(published)}
    assert found["-aB_cD-eF_1_30"] == "Dog"
    assert corpus.notes == [
        "class Bark is left out: no clip to be scored has it",
        "class Animal is left out: all clips have it",
    ]
    write_segments(published / "tables/balanced_train_segments.csv", TRAIN_ROWS[1:2])
    write_segments(published / "tables/eval_segments.csv", EVAL_ROWS[2:])
    with pytest.raises(CorpusError, match="no class to tell apart: class Cat is left out: no clip"):
        listed(published)


def test_classes_that_cannot_be_chosen(published: Path) -> None:
    for classes, said in {
        "Dogg": r"corpora\.audioset\.classes: unknown value 'Dogg'; did you mean 'Dog'\?",
        "Never heard": "no clip here is of 'Never heard', nor of what is below it in the ontology",
    }.items():
        with pytest.raises(ParameterError, match=said) as caught:
            listed(published, classes=[classes])
        assert "\n" not in str(caught.value)
    (published / "tables/ontology.json").unlink()
    assert len(listed(published)) == 7
    with pytest.raises(ParameterError, match=r"needs ontology\.json, which is missing; say all"):
        listed(published, classes="animals")


@pytest.mark.parametrize(
    ("harm", "said"),
    {
        "balanced_train_segments.csv": "balanced_train_segments.csv is missing",
        "eval_segments.csv": "eval_segments.csv is missing",
    }.items(),
)
def test_a_table_that_is_missing_is_named(published: Path, harm: str, said: str) -> None:
    (published / "tables" / harm).unlink()
    with pytest.raises(CorpusError, match=re.escape(said)):
        listed(published)


def test_an_ontology_that_is_something_else_is_refused(published: Path) -> None:
    for content in ("{", '{"id": 1}', "[1]"):
        (published / "tables/ontology.json").write_text(content)
        with pytest.raises(CorpusError, match=r"ontology\.json is not AudioSet's ontology"):
            listed(published)


def test_no_recording_at_all(published: Path) -> None:
    for file in [*published.rglob("*.*")]:
        if file.parent.name != "tables":
            file.unlink()
    with pytest.raises(CorpusError, match=r"has a recording named YTID\.\*, see https"):
        listed(published)


def test_it_is_packed_with_its_targets(published: Path, tmp_path: Path) -> None:
    for file in published.rglob("*.*"):
        if file.parent.name != "tables":
            sf.write(file, np.sin(np.arange(8_000)), 8_000, format="WAV")
    done = pack(create("audioset", classes="animals"), published, tmp_path / "animals.h5")
    assert (done.clips, done.classes) == (6, 3)
    packed = Packed(tmp_path / "animals.h5")
    assert (packed.classes, packed.n_samples) == (("Bark", "Cat", "Dog"), 320_000)
    assert packed.targets.sum(axis=0).tolist() == [2, 3, 4]
    assert packed.folds.count("test") == 3


def test_fetch_says_how_and_where(root: Path) -> None:
    with pytest.raises(CorpusError, match=f"https://research.google.com.*\n.*{root}.*audio/YTID"):
        AudioSet().fetch(root)
