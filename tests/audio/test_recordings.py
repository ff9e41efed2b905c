"""Which files are recordings, the same for every command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faunashot.audio.recordings import NO_TEXT, find_recordings, recordings_in

NAMES = ["b.WAV", "noext", "owls/a.mp3", "owls/c.Opus", "owls/e.xyz", "owls.wav/d.m4a"]
OTHERS = [
    *(".a.wav", "._b.WAV", "owls/._a.mp3", ".Trash-1000/files/a.wav", "owls/.x/y/a.wav"),
    *("a.txt", ".DS_Store", "owls/Thumbs.db", "owls/labels.CSV", "owls/notes.docx"),
]


@pytest.fixture(autouse=True)
def night(tmp_path, monkeypatch) -> Path:
    """A folder of files as recorders and people leave them."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES + OTHERS:
        file = tmp_path / "night" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "night" / "again").symlink_to(tmp_path / "night", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far.wav").touch()
    (tmp_path / "night" / "zoo").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    return tmp_path / "night"


def found(*names: str) -> list[str]:
    return [file.as_posix() for file in find_recordings(map(Path, names)).files]


def test_hidden_files_and_what_lies_beside_recordings_are_none(night):
    listed = [file.relative_to(night).as_posix() for file in recordings_in(night)]
    assert listed == [*NAMES, "zoo/far.wav"]
    assert recordings_in(night / ".Trash-1000") == [night / ".Trash-1000" / "files" / "a.wav"]


def test_files_folders_and_globs_name_the_same_each_once():
    folder = found("night")
    assert folder == [f"night/{name}" for name in [*NAMES, "zoo/far.wav"]]
    assert found("nig*") == folder
    assert found("night/owls", "night/owls/a.mp3", "./night/owls/*") == folder[2:5]
    assert found("night/**/*.mp3") == ["night/owls/a.mp3"]
    assert found("night/.a.wav", "night/a.txt") == ["night/.a.wav", "night/a.txt"]  # by its name


def test_a_file_that_looks_like_a_glob_is_a_file(night):
    (night / "a[1].wav").touch()
    (night / "a1.wav").touch()
    assert found("night/a[1].wav") == ["night/a[1].wav"]


def test_names_without_recordings_are_said():
    Path("empty").mkdir()
    Path("empty/.a.wav").touch()
    here = find_recordings(map(Path, ["empty", "night/owls", "none*.wav", "night/*.txt", "no.wav"]))
    assert here.problems == [
        ("empty", "holds no recordings"),
        ("none*.wav", "matches no recordings"),
        ("night/*.txt", "matches no recordings"),
    ]
    assert here.files[-1] == Path("no.wav")  # that it is not there, decoding tells


def test_a_name_that_is_not_text_is_said(night):
    os.close(os.open(os.fsencode(night) + b"/caf\xe9.wav", os.O_CREAT | os.O_WRONLY))
    here = find_recordings([Path("night")])
    assert here.problems == [("night/caf\\udce9.wav", NO_TEXT)]
    assert len(here.files) == len(NAMES) + 1
