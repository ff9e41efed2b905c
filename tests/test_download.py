"""Downloads from a server on this machine that can be told to misbehave."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from faunashot import download as module
from faunashot.download import download, new_folder, unpack
from faunashot.errors import CorpusError, WeightsError

CONTENT = bytes(i * i % 251 for i in range(600_000))
CHECKSUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


@dataclass
class Server:
    """What is served, how badly, and what was sent."""

    url: str
    content: bytes = CONTENT
    ranges: bool = True
    etag: str | None = '"one"'
    tells_size: bool = True
    cuts: list[int] = field(default_factory=list)  # bytes after which to cut a connection off
    statuses: list[int] = field(default_factory=list)  # to answer instead of the content
    asked: list[str | None] = field(default_factory=list)  # Range of each request
    sent: list[int] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            start, total = 0, len(state.content)
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            condition = self.headers.get("If-Range")
            current = condition in (None, state.etag) and not str(condition).startswith("W/")
            if asked and state.ranges and current:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                self.send_response(206 if start < total else 416)
                span = f"{start}-{total - 1}" if start < total else "*"
                self.send_header("Content-Range", f"bytes {span}/{total}")
            else:
                self.send_response(200)
            body = state.content[start:]
            if state.etag:
                self.send_header("ETag", state.etag)
            if state.tells_size:
                self.send_header("Content-Length", str(len(body)))
            if state.cuts:
                body = body[: state.cuts.pop(0)]
            state.sent.append(len(body))  # before the client can go on
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "_WAITS_S", (0, 0))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        state = Server(f"http://127.0.0.1:{served.server_port}/model.bin")
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield state
        served.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "model.bin"


def get(server: Server, target: Path, checksum: str | None = CHECKSUM) -> Path:
    return download(server.url, target, checksum=checksum, error=WeightsError, progress=False)


def cut_off(server: Server, target: Path, after: int) -> int:
    """Leave a part behind that several tries could not finish; its size."""
    server.cuts = [after, 0, 0]
    with pytest.raises(WeightsError, match=r"cannot be downloaded"):
        get(server, target)
    assert not target.exists()
    server.asked.clear()
    server.sent.clear()
    return target.with_name("model.bin.part").stat().st_size


def alone(target: Path) -> bool:
    return [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("checksum", [CHECKSUM, None])
@pytest.mark.parametrize("tells_size", [True, False])
def test_whole(server: Server, target: Path, checksum: str | None, tells_size: bool) -> None:
    server.tells_size = tells_size
    assert get(server, target, checksum) == target
    assert target.read_bytes() == CONTENT
    assert alone(target)
    assert get(server, target, checksum) == target
    assert server.sent == [len(CONTENT)], "what is there is not downloaded again"


def test_progress_goes_to_stderr(
    server: Server, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    download(server.url, target, checksum=CHECKSUM, error=WeightsError)
    out, err = capsys.readouterr()
    assert (out, "model.bin" in err) == ("", True)
    target.unlink()
    get(server, target, None)
    assert capsys.readouterr() == ("", "")


def test_a_cut_is_resumed_at_once(server: Server, target: Path) -> None:
    server.cuts = [250_000]
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert alone(target)
    have = int(str(server.asked[1]).removeprefix("bytes=").removesuffix("-"))
    assert 150_000 < have <= 250_000
    assert server.sent == [250_000, len(CONTENT) - have]


def test_each_gain_gives_new_tries(server: Server, target: Path) -> None:
    server.cuts = [100_000] * 5
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert len(server.sent) > 5


def test_a_later_call_resumes(server: Server, target: Path) -> None:
    have = cut_off(server, target, after=400_000)
    assert have > 300_000
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == [len(CONTENT) - have]
    assert alone(target)


def test_without_ranges_the_whole_is_sent_again(server: Server, target: Path) -> None:
    server.ranges = False
    cut_off(server, target, after=400_000)
    get(server, target)
    assert target.read_bytes() == CONTENT
    assert server.sent == [len(CONTENT)]


def test_a_part_that_was_complete_is_used(server: Server, target: Path) -> None:
    cut_off(server, target, after=400_000)
    target.with_name("model.bin.part").write_bytes(CONTENT)
    get(server, target)
    assert (server.sent, alone(target)) == ([0], True)


def test_a_part_of_an_older_version_is_thrown_away(server: Server, target: Path) -> None:
    cut_off(server, target, after=400_000)
    server.content, server.etag = CONTENT[::-1], '"two"'
    get(server, target, None)
    assert target.read_bytes() == CONTENT[::-1]
    assert server.sent == [len(CONTENT)], "the server was told which version the part is of"


def test_a_weak_etag_is_compared_but_not_asked_for(server: Server, target: Path) -> None:
    server.etag = 'W/"one"'
    have = cut_off(server, target, after=400_000)
    get(server, target)
    assert server.sent == [len(CONTENT) - have]
    target.unlink()
    cut_off(server, target, after=400_000)
    server.content, server.etag = CONTENT[::-1], 'W/"two"'
    get(server, target, None)
    assert target.read_bytes() == CONTENT[::-1]


def test_without_an_etag_the_size_tells(server: Server, target: Path) -> None:
    server.etag = None
    cut_off(server, target, after=400_000)
    server.content = CONTENT[::-1] + b"longer"
    get(server, target, None)
    assert target.read_bytes() == server.content
    assert server.sent[-1] == len(server.content)


def test_halves_that_do_not_belong_together(server: Server, target: Path) -> None:
    server.etag = None
    have = cut_off(server, target, after=400_000)
    server.content = CONTENT[::-1]
    get(server, target, f"sha256:{hashlib.sha256(server.content).hexdigest()}")
    assert target.read_bytes() == server.content
    assert server.sent == [len(CONTENT) - have, len(CONTENT)]


@pytest.mark.parametrize("note", [None, "", "{}", "[]", '{"url": "http://elsewhere"}'])
def test_a_part_of_unknown_origin_is_thrown_away(
    server: Server, target: Path, note: str | None
) -> None:
    target.parent.mkdir()
    target.with_name("model.bin.part").write_bytes(b"something else")
    if note is not None:
        target.with_name("model.bin.part.json").write_text(note)
    get(server, target)
    assert (target.read_bytes(), server.asked) == (CONTENT, [None])


def test_wrong_checksum(server: Server, target: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        get(server, target, "0" * 64)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ("model.bin", server.url, "0" * 64, str(target)))
    assert list(target.parent.iterdir()) == []
    assert len(server.sent) == 1


def test_a_file_with_another_checksum_is_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_text("old")
    with pytest.raises(WeightsError):
        get(server, target, "0" * 64)
    assert target.read_text() == "old"
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_no_such_file(server: Server, target: Path) -> None:
    server.statuses = [404]
    with pytest.raises(CorpusError) as caught:
        download(
            server.url, target, checksum=None, error=CorpusError, hint="ask Ada", progress=False
        )
    assert str(caught.value) == (
        f"model.bin cannot be downloaded from {server.url} (HTTP 404 Not Found); ask Ada"
    )
    assert len(server.asked) == 1, "asking again would not help"


def test_a_busy_server_is_asked_again(server: Server, target: Path) -> None:
    server.statuses = [503, 429]
    get(server, target)
    assert target.read_bytes() == CONTENT


def test_nobody_there(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "_WAITS_S", (0,))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}/model.bin"
        with pytest.raises(WeightsError, match="Connection refused") as caught:
            download(url, target, checksum=CHECKSUM, error=WeightsError, progress=False)
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ("model.bin", url, str(target)))


def test_an_address_that_is_none(target: Path) -> None:
    with pytest.raises(WeightsError, match="nonsense"):
        download("nonsense://x", target, checksum=None, error=WeightsError, progress=False)


def test_no_folder_to_write_to(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match=r"cannot be written"):
        get(server, tmp_path / "file" / "model.bin")


def test_two_downloads_of_one_file(server: Server, target: Path) -> None:
    threads = [threading.Thread(target=get, args=(server, target)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert server.sent == [len(CONTENT)]


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_unpack(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"outer/one.txt": "1", "outer/outer/two.txt": "2"})
    plain = unpack(archive, tmp_path / "to" / "plain", error=CorpusError)
    assert (plain / "outer/outer/two.txt").read_text() == "2"
    inner = unpack(archive, tmp_path / "to" / "inner", error=CorpusError, strip_outer=True)
    assert (inner / "outer/two.txt").read_text() == "2"
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["inner", "plain"]
    with pytest.raises(CorpusError, match="holds something already"):
        unpack(archive, plain, error=CorpusError)


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/tmp/evil", r"..\evil", r"C:\evil", "C:evil"]
)
def test_unpack_refuses_to_leave_the_target(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "a.zip", {"fine": "", name: ""})
    with pytest.raises(CorpusError, match="would leave"):
        unpack(archive, tmp_path / "to" / "here", error=CorpusError)
    assert list((tmp_path / "to").iterdir()) == []
    assert not (tmp_path / "evil").exists()


def test_unpack_a_damaged_archive(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"one.txt": "1" * 1000})
    data = bytearray(archive.read_bytes())
    for broken in (data[:500], b"", bytes(data[:100]) + b"0" + bytes(data[101:])):
        archive.write_bytes(broken)
        with pytest.raises(CorpusError, match=r"a\.zip cannot be unpacked .*delete it") as caught:
            unpack(archive, tmp_path / "to", error=CorpusError)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "to").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_new_folder_takes_an_empty_folder_s_place(tmp_path: Path) -> None:
    with new_folder(tmp_path, error=CorpusError) as fresh:
        (fresh / "a").write_text("")
        assert not any(tmp_path.iterdir())
        mode = fresh.stat().st_mode
    assert (tmp_path / "a").exists()
    os.umask(umask := os.umask(0))
    assert mode & 0o777 == 0o777 & ~umask
