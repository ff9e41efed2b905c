"""Tables and folders of them: which recordings they are of, and which count."""

from __future__ import annotations

from pathlib import Path

import pytest

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.matching import match_recordings
from faunashot.annotations.reading import read_all, read_events
from faunashot.annotations.table import as_table
from faunashot.errors import AnnotationError

ROW = {"file": "n/a.wav", "start_s": 1.0, "end_s": 2.0, "label": "frog", "score": 0.5}


@pytest.mark.parametrize(
    "name",
    ["a.Table.1.selections.txt", "a.selections.txt", "a.BirdNET.selection.table.txt", "a.txt",
     "a.labels.txt", "a.audacity.txt"],
)  # fmt: skip
def test_a_table_is_named_after_its_recording(tmp_path: Path, name: str) -> None:
    (tmp_path / "pond").mkdir()
    (tmp_path / "pond" / name).write_text("1\t2\tfrog\n")
    assert read_all([tmp_path]).recordings == ["pond/a"]


def test_empty_tables_say_that_there_is_nothing(tmp_path: Path) -> None:
    for name in ("csv", "raven", "audacity", "parquet", "crowsetta"):
        kind = ANNOTATION_FORMATS[name]()
        kind.write(as_table([]), tmp_path / f"{name}{kind.suffix}")
    found = read_all([tmp_path])
    assert found.events.empty
    assert found.recordings == ["audacity", "crowsetta", "csv", "parquet", "raven"]


def test_one_of_several_formats_is_read(tmp_path: Path) -> None:
    table = as_table([ROW])
    for name in ANNOTATION_FORMATS:
        kind = ANNOTATION_FORMATS[name]()
        kind.write(table, tmp_path / f"a{kind.suffix}")
    found = read_all([tmp_path])
    assert found.events["file"].tolist() == ["n/a.wav"]
    assert found.recordings == ["n/a.wav"]
    assert len(found.notes) == len(ANNOTATION_FORMATS) - 1
    assert all("hold what others hold in parquet" in note for note in found.notes)


def test_events_that_stand_in_two_tables_count_once(tmp_path: Path) -> None:
    ANNOTATION_FORMATS["csv"]().write(as_table([ROW, ROW | {"start_s": 1.5}]), tmp_path / "all.csv")
    ANNOTATION_FORMATS["csv"]().write(as_table([ROW]), tmp_path / "a.csv")
    found = read_all([tmp_path])
    assert len(found.events) == 2
    assert found.notes == ["1 events stand in two tables, and count once"]


def test_other_files_of_a_folder_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("start,end,label\n1,2,frog\n")
    (tmp_path / "readme.txt").write_text("Two nights at the pond\n")
    (tmp_path / "a.settings.json").write_text("{}")
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    found = read_all([tmp_path])
    assert len(found.events) == 1
    assert found.notes == ["readme.txt: no table of events, passed over"]


@pytest.mark.parametrize("name", ["", "not_there.csv"])
def test_nothing_to_read_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(AnnotationError, match=r"no table of events|not there"):
        read_events(tmp_path / name)


def test_an_unreadable_table_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
    assert read_all([tmp_path]).problems == [(str(tmp_path / "a.csv"), "No such file or directory")]


@pytest.mark.parametrize(
    ("first", "second", "pairs"),
    [
        (["n/a.wav"], ["n/a.wav"], {"n/a.wav": "n/a.wav"}),
        (["/d/n/a.wav"], ["a"], {"/d/n/a.wav": "a"}),
        (["a"], ["n/a.flac"], {"a": "n/a.flac"}),
        (["/d/x/a.wav", "/d/y/a.wav"], ["x/a.wav", "y/a.wav"],
         {"/d/x/a.wav": "x/a.wav", "/d/y/a.wav": "y/a.wav"}),
        (["/d/x/a.wav", "/d/y/a.wav"], ["x/a", "y/a"],
         {"/d/x/a.wav": "x/a", "/d/y/a.wav": "y/a"}),
        (["POND_2023.05.12.wav"], ["POND_2023.05.12"], {"POND_2023.05.12.wav": "POND_2023.05.12"}),
        (["C:\\n\\a.wav"], ["/mnt/n/a.wav"], {"C:\\n\\a.wav": "/mnt/n/a.wav"}),
        (["a.wav", "a.flac"], ["a"], {}),
    ],
)  # fmt: skip
def test_recordings_are_matched_by_name(
    first: list[str], second: list[str], pairs: dict[str, str]
) -> None:
    assert match_recordings(first, second).pairs == pairs


def test_an_ambiguous_name_is_one_line() -> None:
    found = match_recordings(["x/a.wav", "y/a.wav"], ["a", "b"])
    assert found.ambiguous == [
        "a: stands for 2 recordings on one side (x/a.wav, ...) and 1 on the other (a, ...): "
        "give their folders"
    ]
    assert (found.only_first, found.only_second) == (["x/a.wav", "y/a.wav"], ["a", "b"])
