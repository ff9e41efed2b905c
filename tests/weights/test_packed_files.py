"""Published files that are packed: found, downloaded, unpacked once, refused where torn."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from faunashot.errors import WeightsError
from faunashot.files import CACHE
from faunashot.weights import files
from faunashot.weights.files import OWN, WeightsFile, file_here, locate

FILE = WeightsFile("net.h5", "https://host.invalid/raw/net-v1.h5.gz?download=1")
CONTENT = b"weights" * 1000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    monkeypatch.delenv(OWN, raising=False)
    return tmp_path / "cache" / "weights"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(OWN, str(tmp_path))
    return tmp_path


def test_a_download_is_unpacked_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def download(url: str, target: Path, **_: object) -> Path:
        asked.append(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(CONTENT))
        return target

    monkeypatch.setattr(files, "download", download)
    assert file_here(FILE) is None
    first = locate(FILE)
    assert first.read_bytes() == CONTENT
    assert first.suffix == ".h5"
    assert first.parent == cache
    assert file_here(FILE) == cache / "net-v1.h5.gz"
    before = first.stat().st_mtime_ns
    assert locate(FILE) == first
    assert (asked, first.stat().st_mtime_ns) == ([FILE.url], before)


def test_another_archive_is_unpacked_anew(own: Path) -> None:
    for content in (CONTENT, b"other"):
        (own / "net-v1.h5.gz").write_bytes(gzip.compress(content))
        assert locate(FILE).read_bytes() == content


def test_a_file_that_is_unpacked_already_is_taken(own: Path) -> None:
    (own / "net.h5").write_bytes(CONTENT)
    assert locate(FILE) == own / "net.h5"


@pytest.mark.parametrize(
    "content", [b"no archive", gzip.compress(CONTENT)[:-20], b""], ids=["none", "cut", "empty"]
)
def test_a_torn_archive_is_named(own: Path, cache: Path, content: bytes) -> None:
    (own / "net-v1.h5.gz").write_bytes(content)
    with pytest.raises(WeightsError, match=r"net-v1\.h5\.gz .*: remove it"):
        locate(FILE)
    assert not cache.exists()


def test_what_is_not_packed_keeps_its_name() -> None:
    assert WeightsFile("a.pth", "https://host.invalid/b.pth?download=1").as_published == "a.pth"
    assert WeightsFile("a.pth", "").as_published == "a.pth"
