"""A place is the same on every file system, and a file in it is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faunashot.errors import StoreError
from faunashot.storage import DRAFT, Storage


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path: Path) -> Storage:
    url = f"memory://{tmp_path.name}" if request.param == "memory" else str(tmp_path / "place")
    return Storage(url)


def test_what_is_written_is_read(place: Storage) -> None:
    assert place.sizes() == {}
    place.write("a", b"first")
    place.write("b", b"")
    place.write("a", b"second")
    assert place.read("a") == b"second"
    assert place.sizes() == {"a": 6, "b": 0}


def test_what_is_removed_is_not_there(place: Storage) -> None:
    for name in ("a", "b", "c"):
        place.write(name, b"x")
    place.remove({"a", "c"})
    place.remove(set())
    assert place.sizes() == {"b": 1}
    with pytest.raises(FileNotFoundError):
        place.read("a")


def test_files_in_folders_are_named_by_their_path(place: Storage) -> None:
    place.write("below/a", b"x")
    assert place.sizes() == {"below/a": 1}


def test_a_place_says_what_it_was_given(place: Storage) -> None:
    assert str(Storage(place.url)) == place.url


@pytest.mark.parametrize("url", ["s4://bucket/store", "nothing://"])
def test_an_unknown_file_system_is_one_line(url: str) -> None:
    with pytest.raises(StoreError, match="Protocol not known") as caught:
        Storage(url)
    assert str(caught.value).startswith(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was(error, tmp_path: Path, monkeypatch) -> None:
    place = Storage(tmp_path)
    place.write("a", b"first")

    def failing(self: Path, content: bytes) -> int:
        self.touch()
        raise error

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(type(error)):
        place.write("a", b"second")
    assert os.listdir(tmp_path) == ["a"]
    assert place.read("a") == b"first"


def test_a_draft_never_has_the_name_of_the_file(tmp_path: Path, monkeypatch) -> None:
    written: list[str] = []
    write = Path.write_bytes
    monkeypatch.setattr(
        Path, "write_bytes", lambda self, content: (written.append(self.name), write(self, content))
    )
    for _ in range(2):
        Storage(tmp_path).write("a", b"x")
    assert len(set(written)) == 2
    assert all(name.startswith(DRAFT) for name in written)


def test_links_and_hidden_files_are_seen(tmp_path: Path) -> None:
    (tmp_path / ".hidden").touch()
    (tmp_path / "broken").symlink_to("nowhere")
    assert set(Storage(tmp_path).sizes()) == {".hidden", "broken"}
