"""located: a corpus' folder to a sorted table of hashed clips."""

from __future__ import annotations

import hashlib

import pandas as pd

from faunashot.data.corpora import create
from faunashot.data.ingest import LOCATED, NOISE_COLUMNS, hashed, located


def test_clips_are_listed_by_path_with_their_hash(root, make):
    make("folder", root)
    table = located(create("folder"), root)
    assert list(table.columns) == LOCATED
    assert table["path"].tolist() == ["owl/three.mp3", "wren/2024/one.wav", "wren/two.flac"]
    assert table["label"].tolist() == ["owl", "wren", "wren"]
    assert table["problem"].isna().all()
    for row in table.itertuples():
        assert row.sha256 == hashlib.sha256((root / row.path).read_bytes()).hexdigest()


def test_no_fold_is_null_and_not_the_word_none(root, make):
    make("folder", root)
    assert located(create("folder"), root)["fold"].isna().all()


def test_official_folds_are_kept_as_text(root, make):
    make("esc50", root)
    table = located(create("esc50"), root)
    assert dict(zip(table["clip_id"], table["fold"], strict=True))["5-9-A-1"] == "5"


def test_an_entry_that_the_corpus_left_out_is_listed_with_the_reason(root, touch, write_table):
    touch(root, "a.wav", "b.wav")
    write_table(
        root / "labels.csv", ("path", "label"), ("a.wav", "owl"), ("b.wav", "owl"), ("b.wav", "cat")
    )
    table = located(create("folder"), root).set_index("path")
    assert table.at["b.wav", "problem"] == "it has more than one label: cat, owl"
    assert table["problem"].isna().to_dict() == {"a.wav": True, "b.wav": False}


def test_a_file_that_cannot_be_read_is_listed_with_the_reason(root, make):
    make("esc50", root)
    table_of = create("esc50")
    clips = list(table_of.clips(root))
    (root / clips[0].path).unlink()
    table_of.clips = lambda _: iter(clips)  # gone between the listing and the hashing
    table = located(table_of, root).set_index("path")
    assert table.at[clips[0].path, "problem"] == "unreadable: No such file or directory"
    assert table["problem"].notna().sum() == 1


def test_noise_is_listed_by_its_path_with_its_hash(root, touch):
    touch(root, "Training/Cat/a.wav", "Noise/Wind/b.wav", "Noise/Wind/a.wav")
    table = hashed(create("animals_sounds").noise(root), root)
    assert list(table.columns) == NOISE_COLUMNS
    assert table["path"].tolist() == ["Noise/Wind/a.wav", "Noise/Wind/b.wav"]
    for row in table.itertuples():
        assert row.sha256 == hashlib.sha256((root / row.path).read_bytes()).hexdigest()


def test_a_corpus_without_noise_has_the_same_columns_and_no_rows(root, make, tmp_path):
    make("folder", root)
    table = hashed(create("folder").noise(root), root)
    table.to_parquet(tmp_path / "noise.parquet", index=False)
    for found in (table, pd.read_parquet(tmp_path / "noise.parquet")):
        assert list(found.columns) == NOISE_COLUMNS
        assert found.empty


def test_no_corpus_has_the_same_columns_and_no_rows(tmp_path):
    table = located(create("none"), tmp_path / "missing")
    assert list(table.columns) == LOCATED
    assert table.empty


def test_a_class_called_none_is_a_class(root, touch):
    touch(root, "None/a.wav", "owl/b.wav")
    assert located(create("folder"), root)["label"].tolist() == ["None", "owl"]
