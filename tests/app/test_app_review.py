"""Detections that are gone through by ear."""

from __future__ import annotations

from pathlib import Path

import pytest

from faunashot.annotations.formats.csv import Csv
from faunashot.annotations.table import as_table
from faunashot.app.review import REVIEWED, Review
from faunashot.errors import AnnotationError, AudioError


@pytest.fixture
def folder(night: Path, tmp_path: Path) -> Path:
    (tmp_path / "found").mkdir()
    rows = [
        {"file": str(night), "start_s": 0, "end_s": 2, "label": "frog", "score": 0.7},
        {"file": str(night), "start_s": 2, "end_s": 4, "label": "wren", "score": 0.9},
        {"file": "gone.wav", "start_s": 2, "end_s": 4, "label": "wren", "score": 0.4},
    ]
    Csv().write(as_table(rows[:1]), tmp_path / "found" / "a.csv")
    Csv().write(as_table(rows[1:]), tmp_path / "found" / "b.csv")
    return tmp_path / "found"


def test_the_highest_score_is_asked_first(folder: Path) -> None:
    review = Review(folder)
    rows = review.chosen([], least=0, most=1, open_only=True)
    assert list(rows["score"]) == [0.9, 0.7, 0.4]
    assert list(review.chosen(["wren"], least=0.5, most=1, open_only=True)["score"]) == [0.9]


def test_answers_are_there_in_the_next_session(folder: Path) -> None:
    review = Review(folder)
    review.answer(0, "correct")
    review.answer(1, "uncertain")
    later = Review(folder)
    assert later.answered == 2
    assert list(later.table["correct"]) == ["yes", "uncertain", ""]
    assert len(later.chosen([], least=0, most=1, open_only=True)) == 1
    assert len(later.chosen([], least=0, most=1, open_only=False)) == 3


def test_a_detection_is_heard_and_seen(folder: Path) -> None:
    sound, picture = Review(folder).clip(0)
    assert sound.startswith(b"RIFF")
    assert picture.startswith(b"\x89PNG")


def test_a_recording_that_is_gone_is_a_line(folder: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        Review(folder).clip(2)


def test_a_full_disk_loses_no_answer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    review = Review(folder)
    review.answer(0, "correct")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("faunashot.annotations.formats.csv.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        review.answer(1, "wrong")
    assert review.answered == Review(folder).answered == 1


def test_without_a_detection_there_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    with pytest.raises(AnnotationError, match="no table of events"):
        Review(tmp_path)
    assert not (tmp_path.with_name(tmp_path.name + REVIEWED)).exists()
