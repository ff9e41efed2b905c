"""BirdSet: Parquet tables of focal recordings and soundscapes, recordings as files or in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faunashot.data.corpora.birdset import BirdSet
from faunashot.data.ingest import located
from faunashot.data.splits import Splits
from faunashot.errors import CorpusError

Make = Callable[[str, Path], None]

TRAIN, SCAPE = "HSN/HSN_metadata_train.parquet", "HSN/HSN_metadata_test_5s.parquet"
SEGMENT = "HSN_001_20150708_061805_{:03}_{:03}.ogg"


def table(file: Path, names: list[str], labels: list[list[str]], **columns: object) -> None:
    frame = pd.DataFrame({"filepath": names, "ebird_code_multilabel": labels, **columns})
    frame.to_parquet(file)


@pytest.fixture
def published(root: Path, make: Make, touch: Callable[..., None]) -> Path:
    """Four focal recordings of three birds, three segments of a soundscape of two, both or none."""
    make("birdset", root)
    table(root / TRAIN, [f"XC{n}.ogg" for n in (1, 2, 3, 4)], [["a"], ["b"], ["a", "b"], ["c"]])
    names = [SEGMENT.format(at, at + 5) for at in (0, 5, 10)]
    table(root / SCAPE, names, [["a", "b"], [], ["b"]])
    touch(root / "HSN/train", "XC3.ogg", "XC4.ogg")
    touch(root / "HSN/test_5s", *names)
    return root


def test_focal_recordings_are_learned_from_and_segments_scored(published: Path) -> None:
    corpus = BirdSet()
    clips = {clip.clip_id: clip for clip in corpus.clips(published)}
    first = clips["HSN_001_20150708_061805_000_005"]
    assert (first.label, first.fold, first.group) == ("a;b", "test", "HSN_001_20150708_061805")
    assert first.path == "HSN/test_5s/HSN_001_20150708_061805_000_005.ogg"
    assert clips["HSN_001_20150708_061805_005_010"].label == ""  # of no bird
    assert (clips["XC3"].label, clips["XC3"].fold, clips["XC3"].group) == ("a;b", "train", "XC3")
    assert "XC4" not in clips
    assert corpus.notes == ["class c is left out: no clip to be scored has it"]
    (split,) = Splits(located(BirdSet(), published).assign(multi_label=True), seed=0)
    assert set(split.learnable) == {"XC1", "XC2", "XC3"}
    assert len(split.test) == 3


def test_rows_without_recordings_are_missing_and_bad_rows_are_told(published, touch) -> None:
    names = ["XC1.ogg", "XC1.ogg", "XC2.ogg", "XC9.ogg", ""]
    table(published / TRAIN, names, [["a"], ["b"], [], ["b"], ["a"]])
    corpus = BirdSet()
    list(corpus.clips(published))
    assert [clip.clip_id for clip in corpus.missing] == ["XC9"]
    assert corpus.problems == [
        ("HSN/train/XC1.ogg", "HSN_metadata_train.parquet, row 2 has it once more"),
        ("HSN/train/XC2.ogg", "HSN_metadata_train.parquet, row 3 gives it no bird"),
        ("HSN_metadata_train.parquet, row 5", "it has no name of a recording"),
    ]


def hub_piece(file: Path, rows: list[tuple[str, list[int]]], names: list[str]) -> None:
    """A table as the hub converts one: classes by number, recordings within."""
    columns = {
        "audio": [{"bytes": f"sound of {name}".encode(), "path": name} for name, _ in rows],
        "filepath": [f"/home/someone/{name}" for name, _ in rows],
        "ebird_code_multilabel": [numbers for _, numbers in rows],
    }
    feature = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}
    told = json.dumps({"info": {"features": {"ebird_code_multilabel": feature}}})
    made = pa.table(columns).replace_schema_metadata({b"huggingface": told.encode()})
    pq.write_table(made, file)


def test_recordings_within_tables_are_unpacked(root: Path) -> None:
    hub_piece(root / "train-00000-of-00002.parquet", [("XC1.ogg", [0])], ["a", "b"])
    hub_piece(root / "train-00001-of-00002.parquet", [("XC2.ogg", [1])], ["a", "b"])
    segments = [(SEGMENT.format(0, 5), [0, 1]), (SEGMENT.format(5, 10), [])]
    hub_piece(root / "test_5s-00000-of-00001.parquet", segments, ["a", "b"])
    with pytest.raises(CorpusError, match=r"`faunashot fetch birdset --root .*` unpacks those"):
        list(BirdSet().clips(root))
    BirdSet().fetch(root)
    assert (root / "audio/XC2.ogg").read_bytes() == b"sound of XC2.ogg"
    found = {clip.clip_id: clip.label for clip in BirdSet().clips(root)}
    assert found["XC2"] == "b"
    assert found["HSN_001_20150708_061805_000_005"] == "a;b"
    assert len(found) == 4
    before = (root / "audio/XC2.ogg").stat().st_mtime_ns
    BirdSet().fetch(root)
    assert (root / "audio/XC2.ogg").stat().st_mtime_ns == before


def test_a_number_that_is_no_class_is_told(published: Path) -> None:
    hub_piece(published / TRAIN, [("XC1.ogg", [0]), ("XC2.ogg", [7])], ["a", "b"])
    corpus = BirdSet()
    list(corpus.clips(published))
    row = "HSN_metadata_train.parquet, row 2"
    assert corpus.problems == [(row, "it has the unknown class [7]")]


def test_tables_that_are_missing_or_something_else(published: Path) -> None:
    with pytest.raises(CorpusError, match=r"PER_metadata_train\.parquet is missing"):
        list(BirdSet(subset="PER").clips(published))
    pd.DataFrame({"filepath": ["XC1.ogg"]}).to_parquet(published / TRAIN)
    with pytest.raises(CorpusError, match="has no column ebird_code_multilabel; it has: filepath"):
        list(BirdSet().clips(published))
    (published / TRAIN).write_bytes(b"PAR1")
    with pytest.raises(CorpusError, match="cannot be read as a Parquet table"):
        list(BirdSet().clips(published))


def test_fetch_says_how_and_where(root: Path) -> None:
    with pytest.raises(CorpusError, match=f"folder HSN of https://huggingface.*\n.*{root}"):
        BirdSet().fetch(root)
