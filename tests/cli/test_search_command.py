"""``faunashot search`` and ``faunashot suggest``: what they print, and a line for what is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from embedding import embed_windows

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.features.extractors import extractor
from faunashot.recogniser import Recogniser
from faunashot.systems.record import BackboneRecord, TrainedSystem

RATE = 16000
PITCHES_HZ = {"owl": 300, "wren": 4000}


def tone(hz: float, *, seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * hz * t) + 0.01 * np.random.default_rng(seed).normal(size=t.size)


@pytest.fixture
def night(tmp_path: Path) -> Path:
    folder = tmp_path / "night"
    folder.mkdir()
    for seed, (name, hz) in enumerate(PITCHES_HZ.items()):
        for at in range(3):
            samples = tone(hz * (1 + 0.02 * at), seed=10 * seed + at)
            sf.write(folder / f"{name}-{at}.wav", samples, RATE)
    return folder


@pytest.fixture
def features(night: Path, faunashot) -> str:
    assert not faunashot("embed", "night", "--backbone", "logmel_stats", "--out", "f").code
    return "f"


@pytest.fixture
def model(tmp_path: Path) -> str:
    made_by = extractor("logmel_stats")
    size = made_by.window_samples
    pieces, labels = [], []
    for name, hz in PITCHES_HZ.items():
        samples = np.interp(
            np.arange(3 * size) / made_by.sample_rate, np.arange(3 * RATE) / RATE, tone(hz)
        )
        pieces.append(samples.reshape(3, size).astype(np.float32))
        labels += [name] * 3
    learned = Examples.of_rows(embed_windows(made_by, np.concatenate(pieces)), labels)
    head = make_head("prototype").fit(learned)
    made_with = BackboneRecord(name="logmel_stats", options={}, weights_hash=made_by.weights_hash)
    record = TrainedSystem(
        estimator=head.KIND,
        backbones=[made_with],
        classes=list(PITCHES_HZ),
        learned_from=["owl-0.wav"],
    )
    Recogniser(head, record).save(tmp_path / "model")
    return "model"


def one_line(answer) -> str:
    assert answer.code == 1
    (line,) = answer.err.splitlines()
    return line.removeprefix("faunashot: ")


def test_the_recordings_that_sound_alike_are_listed_first(faunashot, features, tmp_path) -> None:
    pytest.importorskip("perch_hoplite", reason="perch-hoplite is not installed")
    found = json.loads(
        faunashot("search", "night/owl-1.wav", "--features", "f", "--top", "4", "--json").out
    )
    assert found[0]["file"].startswith("owl")
    assert found[0]["similarity"] == pytest.approx(1, abs=0.01)
    assert [*found[0]] == ["file", "start_s", "end_s", "similarity"]
    assert [row["similarity"] for row in found] == sorted(
        (row["similarity"] for row in found), reverse=True
    )
    assert {row["file"][:3] for row in found} == {"owl"}
    said = faunashot(
        *["search", "night/wren-0.wav", "--features", "f", "--start", "1.2", "--root", "night"],
        *["--out", "hits.csv", "--database", "elsewhere", "--overlapping"],
    )
    assert said.out == "hits.csv: 10 rows\n"
    rows = list(csv.DictReader(Path("hits.csv").read_text().splitlines()))
    assert rows[0] | {"similarity": ""} == {
        "file": "night/wren-0.wav",
        "start_s": "1.0",
        "end_s": "2.0",
        "similarity": "",
    }
    assert (tmp_path / "elsewhere" / "hoplite.sqlite").exists()


def test_hits_are_a_selection_table_for_raven(faunashot, features) -> None:
    pytest.importorskip("perch_hoplite", reason="perch-hoplite is not installed")
    given = ["search", "night/owl-1.wav", "--features", "f", "--top", "4", "--out", "hits.txt"]
    assert "say by --root in which folder they lie" in one_line(faunashot(*given))
    assert not Path("hits.txt").exists()
    assert faunashot(*given, "--root", "night").out == "hits.txt: 4 rows\n"
    table = pd.read_csv("hits.txt", sep="\t")  # as a reader of another house
    assert set(table["Begin Path"]) <= {f"night/owl-{n}.wav" for n in range(3)}
    assert set(table["Annotation"]) == {"owl-1"}
    assert table["Score"].is_monotonic_decreasing
    back = ANNOTATION_FORMATS["raven"]().read(Path("hits.txt"))
    np.testing.assert_allclose(back["end_s"] - back["start_s"], 1)
    assert back["end_s"].max() <= 3  # within its file, as times run on from one to the next


def test_a_query_that_cannot_be_used_is_a_line(faunashot, features, night) -> None:
    sf.write(night / "silent.wav", np.zeros(RATE), RATE)
    sf.write(night / "click.wav", np.ones(3), RATE)
    sf.write(night / "long.wav", tone(300, seconds=70), RATE)
    for query, lack in {
        "night/silent.wav": "digital silence",
        "night/click.wav": "too short",
        "night/long.wav": "say by --start",
        "night": "is a folder",
        "nowhere.wav": "there is no such file",
        "a frog calling": "logmel_stats",
    }.items():
        assert lack in one_line(faunashot("search", query, "--features", "f"))
    late = faunashot("search", "night/owl-0.wav", "--features", "f", "--start", "9")
    assert "ends before --start 9" in one_line(late)
    words = faunashot("search", "a frog", "--features", "f", "--start", "9")
    assert "is no file" in one_line(words)
    empty = faunashot("search", "night/owl-0.wav", "--features", "night")
    assert "is not a features store" in one_line(empty)
    table = faunashot("search", "night/owl-0.wav", "--features", "f", "--out", "x.tsv")
    assert "ends in .csv, .json or .txt" in one_line(table)


def test_what_to_label_next_is_listed_with_its_spans(faunashot, features, model) -> None:
    given = ["suggest", "--features", "f", "--model", model, "--root", "night", "--n", "3"]
    said = json.loads(faunashot(*given, "--json").out)
    assert said["strategy"] == "both"
    assert "held_out.parquet is not here" in said["gain"]["lacks"]
    assert len(said["suggestions"]) == 3
    for row in said["suggestions"]:
        assert row["file"].startswith("night/")
        assert row["file"] != "night/owl-0.wav"  # the model learned from it
        assert 0 <= row["start_s"] < row["end_s"] <= 3
        assert row["label"] in PITCHES_HZ
    out = faunashot(*given, "--by", "recording", "--strategy", "random", "--out", "next.csv")
    assert out.out.startswith("next.csv: 3 rows\n")
    table = pd.read_csv("next.csv")
    assert table["file"].nunique() == 3
    assert table["end_s"].tolist() == [3.0] * 3


def test_recordings_are_embedded_for_it_and_known_ones_left_out(faunashot, night, model) -> None:
    Path("labelled.csv").write_text("file,label\nnight/wren-0.wav,wren\n")
    said = json.loads(
        faunashot(
            *["suggest", "night", "--model", model, "--by", "recording", "--n", "5", "--json"],
            *["--labelled", "labelled.csv"],
        ).out
    )
    files = {row["file"] for row in said["suggestions"]}
    assert files == {
        f"night/{name}.wav" for name in ("owl-0", "owl-1", "owl-2", "wren-1", "wren-2")
    }


def test_what_cannot_be_suggested_from_is_a_line(faunashot, features, model) -> None:
    given = ["--features", "f", "--model", model]
    assert "--n 500: there are" in one_line(faunashot("suggest", *given, "--n", "500"))
    unknown = one_line(faunashot("suggest", *given, "--strategy", "divers"))
    assert "did you mean 'diversity'" in unknown
    assert "name recordings, or --features" in one_line(faunashot("suggest"))
    assert "not both" in one_line(faunashot("suggest", "night", *given))
    assert "no such table" in one_line(faunashot("suggest", *given, "--labelled", "no.csv"))
    other = ["embed", "night", "--backbone", "logmel_stats", "--hop-s", "0.25", "--out", "g"]
    assert not faunashot(*other).code
    empty = Path("empty")
    empty.mkdir()
    assert "holds no recordings" in one_line(faunashot("suggest", "empty", "--model", model))


def test_the_gain_of_more_labels_is_a_sentence(faunashot, tmp_path) -> None:
    assert "is not here" in one_line(faunashot("suggest", "--stop"))
