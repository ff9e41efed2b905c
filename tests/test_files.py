"""Folders are there as a whole or not at all; a lock is held by one, and ends with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faunashot.files import locked, whole_folder

HOLD = "import sys, faunashot.files as f\nwith f.locked(sys.argv[1]): print(1, flush=True); input()"


def test_a_whole_folder_takes_the_place_of_the_old(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with whole_folder(tmp_path / "deep" / "folder") as draft:
            (draft / content).write_text(content)
    assert os.listdir(tmp_path / "deep") == ["folder"]
    assert os.listdir(tmp_path / "deep" / "folder") == ["second"]


def test_a_folder_whose_making_fails_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").touch()
    with pytest.raises(FileNotFoundError), whole_folder(tmp_path / "folder") as draft:
        (draft / "new").rename(draft / "none" / "new")
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder") == ["old"]


def test_drafts_of_killed_runs_are_removed_and_those_of_others_are_not(tmp_path: Path) -> None:
    left, others = tmp_path / ".folder.draft-1", tmp_path / ".folder.draft-2"
    for draft in (left, others):
        draft.mkdir()
        (draft / "part").touch()
    with locked(others), whole_folder(tmp_path / "folder") as draft:
        (draft / "a").touch()
    assert sorted(os.listdir(tmp_path)) == [others.name, "folder"]


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with locked(tmp_path) as first, locked(tmp_path, wait=False) as second:
        assert (first, second) == (True, False)
    with locked(tmp_path, wait=False) as again:
        assert again


def test_what_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with locked(tmp_path / "none") as held:
        assert not held


def test_a_killed_process_gives_its_lock_back(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"1\n"
    with locked(tmp_path, wait=False) as held:
        assert not held
    holder.kill()
    holder.communicate()
    with locked(tmp_path, wait=False) as held:
        assert held
