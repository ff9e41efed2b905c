"""What is asked of a person: recordings, parts of long ones, rows of a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.errors import AnnotationError
from faunashot.labelling.items import Item, items_of_recordings, items_of_table


def _recording(file: Path, seconds: float) -> Path:
    sf.write(file, np.random.default_rng(0).normal(0, 0.1, round(seconds * 8000)), 8000)
    return file


def test_short_recordings_are_whole_and_long_ones_in_parts(tmp_path: Path) -> None:
    short, long = _recording(tmp_path / "a.wav", 4), _recording(tmp_path / "b.wav", 12)
    assert list(items_of_recordings([short, long], window_s=5)) == [
        Item(short),
        Item(long, 0, 5),
        Item(long, 5, 12),
    ]


def test_what_cannot_be_read_is_asked_for_too(tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    assert list(items_of_recordings([bad], window_s=5)) == [Item(bad)]


def test_a_table_gives_its_spans_once_and_finds_files_beside_it(tmp_path: Path) -> None:
    file = _recording(tmp_path / "a, b.wav", 4)
    table = tmp_path / "next.csv"
    table.write_text(
        'rank,file,start_s,end_s,label\n1,"a, b.wav",1.5,3,frog\n2,"a, b.wav",1.5,3,frog\n'
        '3,"a, b.wav",,,\n'
    )
    assert items_of_table(table) == [Item(file, 1.5, 3, "frog"), Item(file)]


def test_a_recording_has_one_key_however_its_name_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["a.wav", "x/../a.wav", str(tmp_path / "a.wav")]
    assert {Item(Path(name), 1, 2).key for name in names} == {("a.wav", 1, 2)}


@pytest.mark.parametrize(
    ("row", "line"),
    [
        ("a.wav,3,2", "names no span"),
        ("a.wav,-1,2", "names no span"),
        (",0,2", "names no span"),
        ("a.wav,x,2", "no numbers"),
        ("a.wav,nan,2", "names no span"),
    ],
)
def test_a_row_that_names_no_span_is_refused(tmp_path: Path, row: str, line: str) -> None:
    table = tmp_path / "next.csv"
    table.write_text(f"file,start_s,end_s\na.wav,0,1\n{row}\n")
    with pytest.raises(AnnotationError, match=f"row 3: .*{line}"):
        items_of_table(table)


def test_another_table_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "next.csv"
    table.write_text("path,label\na.wav,frog\n")
    with pytest.raises(AnnotationError, match="no column file, start_s, end_s"):
        items_of_table(table)
