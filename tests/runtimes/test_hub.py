"""Models of TF Hub, from a local server that stands for it."""

from __future__ import annotations

import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from faunashot import download as downloading
from faunashot.errors import WeightsError
from faunashot.runtimes.hub import model_folder

KNOWN_SHA1 = "9616fd04ec2360621642ef9455b84f4b668e219e"
"""Cache entry of https://tfhub.dev/google/yamnet/1, as tensorflow_hub names it."""


def packed(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


MODEL = packed({"saved_model.pb": b"graph", "variables/variables.index": b"weights"})


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(downloading, "_WAITS_S", ())
    return tmp_path / "cache"


@pytest.fixture
def hub() -> Iterator[tuple[str, dict[str, bytes], list[str]]]:
    """Address of a server, what it serves by path, and what it was asked for."""
    served: dict[str, bytes] = {}
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = served.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", served, asked
    server.shutdown()


def test_a_model_is_downloaded_once_into_the_cache_layout(hub, cache: Path) -> None:
    address, served, asked = hub
    served["/yamnet/1?tf-hub-format=compressed"] = MODEL
    folder = model_folder(f"{address}/yamnet/1")
    assert folder.parent == cache
    assert (folder / "saved_model.pb").read_bytes() == b"graph"
    assert (folder / "variables" / "variables.index").read_bytes() == b"weights"
    assert model_folder(f"{address}/yamnet/1") == folder
    assert len(asked) == 1
    assert [entry.name for entry in cache.iterdir() if entry.suffix == ".gz"] == []


def test_the_published_cache_is_found_where_tensorflow_hub_puts_it(cache: Path) -> None:
    (cache / KNOWN_SHA1).mkdir(parents=True)
    (cache / KNOWN_SHA1 / "saved_model.pb").touch()
    assert model_folder("https://tfhub.dev/google/yamnet/1") == cache / KNOWN_SHA1


@pytest.mark.parametrize(
    ("archive", "said"),
    [
        (MODEL[: len(MODEL) // 2], "is not the archive of a model"),
        (b"<html>a page</html>", "is not the archive of a model"),
        (packed({"readme": b"x"}), "holds no saved_model.pb"),
        (packed({"../outside": b"x", "saved_model.pb": b"x"}), "is not the archive of a model"),
    ],
    ids=["cut off", "a page", "another archive", "a way out"],  # an archive says when it was made
)
def test_what_is_no_model_is_not_taken_for_one(hub, cache: Path, archive, said) -> None:
    address, served, _ = hub
    served["/yamnet/1?tf-hub-format=compressed"] = archive
    with pytest.raises(WeightsError, match=said) as caught:
        model_folder(f"{address}/yamnet/1")
    assert "\n" not in str(caught.value)
    assert list(cache.rglob("saved_model.pb")) == []
    assert not (cache.parent / "outside").exists()


def test_no_network_names_the_file_the_address_and_the_variable(cache: Path) -> None:
    handle = "http://127.0.0.1:1/yamnet/1"
    with pytest.raises(WeightsError) as caught:
        model_folder(handle)
    message = str(caught.value)
    assert handle in message
    assert (
        f"set TFHUB_CACHE_DIR to a cache that has http://127.0.0.1:1/yamnet/1; {cache}" in message
    )
    assert "\n" not in message


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is not a folder with a saved_model\.pb"):
        model_folder(str(tmp_path))
    (tmp_path / "saved_model.pb").touch()
    assert model_folder(str(tmp_path)) == tmp_path
