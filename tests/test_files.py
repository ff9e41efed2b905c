"""Folders are there as a whole or not at all; a lock is held by one, and ends with its process."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faunashot import files
from faunashot.files import cache_folder, link, locked, whole_folder, write_atomically

HOLD = """
import sys, pathlib, faunashot.files as f
with f.locked(pathlib.Path(sys.argv[1])): print(1, flush=True); input()
"""


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
        draft.with_name(f"{draft.name}.lock").touch()
    with locked(tmp_path / ".folder.draft-2.lock"):
        with whole_folder(tmp_path / "folder") as draft:
            (draft / "a").touch()
        assert sorted(os.listdir(tmp_path)) == [others.name, f"{others.name}.lock", "folder"]


def test_a_lock_is_held_by_one_and_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / ".lock"
    with locked(file) as first, locked(file, timeout_s=0) as second:
        assert (first, second) == (True, False)
    assert os.listdir(tmp_path) == []
    with locked(file, timeout_s=0) as again:
        assert again


def test_many_who_wait_hold_a_lock_one_after_the_other(tmp_path: Path) -> None:
    """Each removes the file that the others wait for."""
    inside, most = 0, 0

    def hold(_: int) -> None:
        nonlocal inside, most
        for _ in range(10):
            with locked(tmp_path / ".lock"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.001)
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(hold, range(6)))
    assert (inside, most) == (0, 1)


def test_where_there_are_no_locks_one_is_taken_for_held(tmp_path: Path, monkeypatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path / ".lock") as held:
        assert held
    with locked(tmp_path / "none" / ".lock", timeout_s=0) as held:
        assert held


def test_a_killed_process_gives_its_lock_back(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / ".lock"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline() == b"1\n"
    with locked(tmp_path / ".lock", timeout_s=0) as held:
        assert not held
    holder.kill()
    holder.communicate()
    with locked(tmp_path / ".lock", timeout_s=0) as held:
        assert held
    assert os.listdir(tmp_path) == []


LINKS = {
    "reflink": [],
    "hard link": ["_reflink"],
    "copy": ["_reflink", "os.link"],
}


@pytest.fixture(params=LINKS)
def linking(request, monkeypatch) -> str:
    """File systems that have reflinks (where this one has), hard links alone, or neither."""
    if "_reflink" in LINKS[request.param]:
        monkeypatch.setattr(files, "_reflink", lambda source, target: False)
    if "os.link" in LINKS[request.param]:

        def refuse(*arguments: object) -> None:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

        monkeypatch.setattr(os, "link", refuse)
    return request.param


def test_a_link_has_the_content_and_takes_the_place_of_what_was(linking, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    for content in (b"first", b"second"):
        write_atomically(source, content)
        link(source, target)
        assert target.read_bytes() == content
    link(source, target)  # once more, to itself
    assert sorted(os.listdir(tmp_path / "deep")) == ["target"]
    assert (target.stat().st_ino == source.stat().st_ino) == (target.stat().st_nlink > 1)
    assert target.stat().st_nlink == 1 or linking != "copy"
    source.unlink()
    assert target.read_bytes() == b"second"


def test_a_link_to_a_link_has_what_that_points_to(linking, tmp_path: Path) -> None:
    write_atomically(tmp_path / "source", "owl")
    (tmp_path / "symlink").symlink_to(tmp_path / "source")
    link(tmp_path / "symlink", tmp_path / "target")
    assert not (tmp_path / "target").is_symlink()
    assert (tmp_path / "target").read_text() == "owl"


def test_a_link_to_what_is_not_there_leaves_what_was(linking, tmp_path: Path) -> None:
    (tmp_path / "target").write_text("owl")
    with pytest.raises(FileNotFoundError):
        link(tmp_path / "none", tmp_path / "target")
    assert os.listdir(tmp_path) == ["target"]
    assert (tmp_path / "target").read_text() == "owl"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was(error, tmp_path: Path, monkeypatch) -> None:
    write_atomically(tmp_path / "a", b"first")

    def failing(self: Path, content: bytes) -> int:
        self.touch()
        raise error

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(type(error)):
        write_atomically(tmp_path / "a", b"second")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"first"


def test_the_cache_is_where_it_is_said_to_be(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv(files.CACHE, raising=False)
    assert cache_folder() == tmp_path / ".cache" / "faunashot"
    monkeypatch.setenv(files.CACHE, str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.setenv(files.CACHE, "s3://bucket/cache")  # which features alone can do with
    assert cache_folder() == tmp_path / ".cache" / "faunashot"
