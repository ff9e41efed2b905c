"""Published files of weights: where they are looked for, and downloads that are verified."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from faunashot import download
from faunashot.errors import WeightsError
from faunashot.files import CACHE
from faunashot.weights.files import OWN, WeightsFile, file_here, locate

NAME = "Net_mAP=0.5.pth"
CONTENT = b"tensors" * 1_000
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of weights in a cache that is empty; the user has brought none."""
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.delenv(OWN, raising=False)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the user names."""
    (tmp_path / "own").mkdir()
    monkeypatch.setenv(OWN, str(tmp_path / "own"))
    return tmp_path / "own"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a publisher on this machine has the file."""
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / NAME).write_bytes(CONTENT)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "_WAITS_S", ())
    handler = partial(Quiet, directory=str(tmp_path / "published"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}/Net_mAP%3D0.5.pth?download=1"
        served.shutdown()
        thread.join()


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_bytes(content)
    return folder / NAME


def test_a_file_of_the_user_comes_before_that_in_the_cache(cache: Path, own: Path) -> None:
    file = WeightsFile(NAME, "http://127.0.0.1:9/never-asked")
    assert file_here(file) is None
    kept = put(cache)
    assert locate(file) == file_here(file) == kept
    brought = put(own)
    assert locate(file) == file_here(file) == brought


def test_what_is_not_here_is_downloaded_once(url: str, cache: Path, own: Path) -> None:
    file = WeightsFile(NAME, url, MD5)
    assert locate(file) == cache / NAME
    assert (cache / NAME).read_bytes() == CONTENT
    unreachable = WeightsFile(NAME, "http://127.0.0.1:9/never-asked", MD5)
    assert locate(unreachable) == cache / NAME
    assert not list(own.iterdir())


def test_a_download_with_another_checksum_is_thrown_away(url: str, cache: Path) -> None:
    wrong = f"md5:{hashlib.md5(b'other').hexdigest()}"
    with pytest.raises(WeightsError, match=f"has not the checksum {wrong}") as caught:
        locate(WeightsFile(NAME, url, wrong))
    assert not (cache / NAME).exists()
    said = str(caught.value)
    assert "\n" not in said
    for named in (NAME, url, OWN):
        assert named in said


def test_what_cannot_be_downloaded_says_where_to_put_it(url: str, cache: Path) -> None:
    missing = url.replace("0.5", "0.6")
    with pytest.raises(WeightsError, match="HTTP 404") as caught:
        locate(WeightsFile("other.pth", missing))
    said = str(caught.value)
    for named in ("other.pth", missing, OWN, str(cache / "other.pth")):
        assert named in said


def test_a_file_without_an_address_says_where_to_put_it(cache: Path) -> None:
    with pytest.raises(
        WeightsError, match=f"{NAME} is not here: put it into the folder that {OWN}"
    ):
        locate(WeightsFile(NAME, ""))
    assert not cache.exists()


def test_an_empty_file_is_refused(cache: Path, own: Path) -> None:
    file = WeightsFile(NAME, "")
    empty = put(cache, b"")
    with pytest.raises(WeightsError, match="is empty: remove it") as caught:
        locate(file)
    assert str(empty) in str(caught.value)
    empty = put(own, b"")
    with pytest.raises(WeightsError, match="is empty: remove it") as caught:
        locate(file)
    assert str(empty) in str(caught.value)
