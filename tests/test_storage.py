"""A storage is the same on every file system, and a file in it is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faunashot.errors import StoreError
from faunashot.files import DRAFT
from faunashot.storage import Storage


@pytest.fixture(params=["local", "memory"])
def storage(request, tmp_path: Path) -> Storage:
    url = f"memory://{tmp_path.name}" if request.param == "memory" else str(tmp_path / "place")
    return Storage(url)


def test_what_is_written_is_read(storage: Storage) -> None:
    assert storage.sizes() == {}
    storage.write("a", b"first")
    storage.write("b", b"")
    storage.write("a", b"second")
    assert storage.read("a") == b"second"
    assert storage.sizes() == {"a": 6, "b": 0}


def test_what_is_removed_is_not_there(storage: Storage) -> None:
    for name in ("a", "b", "c"):
        storage.write(name, b"x")
    storage.remove({"a", "c"})
    storage.remove(set())
    assert storage.sizes() == {"b": 1}
    with pytest.raises(FileNotFoundError):
        storage.read("a")


def test_files_in_folders_are_named_by_their_path(storage: Storage) -> None:
    storage.write("below/a", b"x")
    assert storage.sizes() == {"below/a": 1}


def test_a_storage_says_what_it_was_given(storage: Storage) -> None:
    assert str(Storage(storage.url)) == storage.url


@pytest.mark.parametrize("url", ["s4://bucket/store", "nothing://"])
def test_an_unknown_file_system_is_one_line(url: str) -> None:
    with pytest.raises(StoreError, match="Protocol not known") as caught:
        Storage(url)
    assert str(caught.value).startswith(url)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_what_was(error, tmp_path: Path, monkeypatch) -> None:
    storage = Storage(tmp_path)
    storage.write("a", b"first")

    def failing(self: Path, content: bytes) -> int:
        self.touch()
        raise error

    monkeypatch.setattr(Path, "write_bytes", failing)
    with pytest.raises(type(error)):
        storage.write("a", b"second")
    assert os.listdir(tmp_path) == ["a"]
    assert storage.read("a") == b"first"


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


@pytest.mark.parametrize("other", ["local", "memory"])
def test_a_file_of_another_storage_is_linked_or_copied(other, storage: Storage, tmp_path) -> None:
    url = f"memory://{tmp_path.name}-other" if other == "memory" else str(tmp_path / "other")
    source = Storage(url)
    for content in (b"first", b"second"):
        source.write("a", content)
        storage.link("a", source)
        assert storage.read("a") == content
    assert storage.sizes() == {"a": 6}
    with pytest.raises(FileNotFoundError):
        storage.link("none", source)
    assert storage.sizes() == {"a": 6}


def test_what_is_gone_already_is_removed(storage: Storage) -> None:
    storage.write("a", b"x")
    storage.remove({"a", "none"})
    assert storage.sizes() == {}


def test_a_folder_in_a_storage_is_one(storage: Storage) -> None:
    (storage / "below").write("a", b"x")
    assert storage.sizes() == {"below/a": 1}
