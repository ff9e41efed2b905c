"""Files from the network: resumed when cut off, verified, and moved into place atomically."""

from __future__ import annotations

import json
import os
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pooch
import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from faunashot.errors import FaunashotError
from faunashot.files import locked, whole_folder

_CHUNK = 1 << 16
_TIMEOUT_S = (10, 60)  # to connect; between two packets
_WAITS_S: tuple[float, ...] = (1, 2, 4)  # before each further try
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


def download(
    url: str,
    target: Path,
    *,
    checksum: str | None,
    error: type[FaunashotError],
    hint: str | None = None,
    progress: bool = True,
) -> Path:
    """Download a file, unless it is there already with the right checksum.

    What was received before an interruption stays in `<target>.part` and is not sent again, if
    the server can send the rest and its file is still the same. `target` is written only when
    everything is there and verified.

    Parameters
    ----------
    url : str
        http or https.
    target : Path
        The file to write; folders are made.
    checksum : str or None
        Expected, as ``sha256:`` or ``md5:`` and hexadecimal digits; None where the publisher gives
        none.
    error : type
        What to raise.
    hint : str, optional
        What the reader of the error is to do; to place the file at `target` unless told.
    progress : bool
        Whether to draw a progress bar on stderr.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    FaunashotError
        Of the type `error`: no network, no such file, no room, or a wrong checksum. The message
        is one line that names the file, the URL and what to do.
    """
    hint = hint or f"check the network, or download it yourself and put it at {target}"
    pooch.get_logger().setLevel("WARNING")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.with_name(f".{target.name}.lock")):  # others may download it
            source = _Resumed(target, progress=progress)
            for last_try in (False, True):
                try:
                    pooch.retrieve(
                        url,
                        known_hash=checksum,
                        fname=target.name,
                        path=target.parent,
                        downloader=source,
                    )
                    break
                except requests.RequestException:
                    raise
                except ValueError:
                    # pooch found another checksum and threw the file away; where the file was
                    # put together from two halves, they may not have belonged together.
                    if last_try or not source.spliced:
                        raise
    except requests.RequestException as cause:
        raise error(f"{target.name} cannot be downloaded from {url} ({_why(cause)}); {hint}") from (
            cause
        )
    except ValueError as cause:
        raise error(
            f"{target.name} from {url} has not the checksum {checksum} and was thrown away; {hint}"
        ) from cause
    except OSError as cause:
        raise error(f"{target} from {url} cannot be written ({_why(cause)}); {hint}") from cause
    return target


class _Resumed:
    """Downloader for pooch that collects the file in `<target>.part`, over several connections.

    Attributes
    ----------
    spliced : bool
        Whether what was last delivered came over more than one connection.
    """

    def __init__(self, target: Path, *, progress: bool) -> None:
        self.part = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")
        self.progress = progress
        self.spliced = False

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        self.spliced = False
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=Console(stderr=True),
            disable=not self.progress,
        )
        waits, longest = iter(_WAITS_S), 0
        with bar:
            task = bar.add_task(self.part.stem, total=None)
            while True:
                try:
                    for done, total in self._receive(url):
                        bar.update(task, completed=done, total=total)
                    break
                except requests.RequestException as cause:
                    status = cause.response.status_code if cause.response is not None else None
                    if isinstance(cause, ValueError) or status not in (None, *_PASSING):
                        raise  # an address that is none, or an answer that will stay the same
                    size = _size(self.part)
                    if size > longest:
                        waits, longest = iter(_WAITS_S), size
                    wait = next(waits, None)
                    if wait is None:
                        raise
                    time.sleep(wait)
        self.note.unlink(missing_ok=True)
        os.replace(self.part, output_file)

    def _receive(self, url: str) -> Iterator[tuple[int, int | None]]:
        """Bring the rest of the part over one connection; yield (bytes there, of which total)."""
        known = self._known(url)
        have = _size(self.part) if known else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if validator := known["validator"]:
                headers["If-Range"] = validator
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            if have and response.status_code in (206, 416):
                if not self._continues(response, have, known):
                    self.note.unlink(missing_ok=True)
                    yield from self._receive(url)
                    return
                self.spliced = True
                if response.status_code == 416:  # there is nothing after the last byte
                    return
            else:
                response.raise_for_status()
                self.spliced, have = False, 0
                self.part.write_bytes(b"")
                known = _facts(url, response)
                self.note.write_text(json.dumps(known), encoding="utf-8")
            total = known["size"]
            with self.part.open("ab") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    yield have, total
        if total is not None and have != total:
            raise requests.ConnectionError(f"cut off after {have} of {total} bytes")

    def _known(self, url: str) -> dict[str, Any]:
        """Read what is noted of the part's file; empty if it cannot be resumed."""
        try:
            known = json.loads(self.note.read_text(encoding="utf-8"))
            tells_apart = known["etag"] or known["validator"] or known["size"]
            return known if known["url"] == url and tells_apart else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _continues(self, response: requests.Response, have: int, known: dict[str, Any]) -> bool:
        """Tell whether the answer to a request for a range belongs to the part."""
        span, _, total = response.headers.get("Content-Range", "").partition("/")
        start = f"bytes {have}-" if response.status_code == 206 else "bytes *"
        complete = response.status_code == 206 or total == str(have)
        same_size = known["size"] is None or total in ("*", str(known["size"]))
        etag = response.headers.get("ETag")
        return span.startswith(start) and complete and same_size and etag in (None, known["etag"])


def _facts(url: str, response: requests.Response) -> dict[str, Any]:
    """Collect what tells a file on a server from another version of it."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return {"url": url, "etag": None, "validator": None, "size": None}
    length = response.headers.get("Content-Length", "")
    etag = response.headers.get("ETag")
    strong = etag if etag and not etag.startswith("W/") else None  # If-Range takes no weak one
    return {
        "url": url,
        "etag": etag,
        "validator": strong or response.headers.get("Last-Modified"),
        "size": int(length) if length.isdecimal() else None,
    }


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _why(cause: BaseException) -> str:
    """Say in a few words what a library's exception has at its bottom."""
    if isinstance(cause, requests.HTTPError) and cause.response is not None:
        return f"HTTP {cause.response.status_code} {cause.response.reason}"
    if isinstance(cause, requests.Timeout):
        return "no answer in time"
    while cause.__context__ is not None:
        cause = cause.__context__
    return " ".join(str(cause).split()) or type(cause).__name__


@contextmanager
def new_folder(target: Path, *, error: type[FaunashotError]) -> Iterator[Path]:
    """Give a folder to fill that becomes `target` once the block ends without an exception.

    Parameters
    ----------
    target : Path
        Does not exist yet, or is an empty folder.
    error : type
        What to raise.

    Yields
    ------
    Path
        An empty folder on the file system of `target`.

    Raises
    ------
    FaunashotError
        Of the type `error`: `target` holds something, or something cannot be written.
    """
    try:
        _refuse_filled(target, error)
        with whole_folder(target) as fresh:
            yield fresh
            _refuse_filled(target, error)  # by another process meanwhile
    except OSError as cause:
        raise error(f"{target} cannot be written: {_why(cause)}") from cause


def _refuse_filled(target: Path, error: type[FaunashotError]) -> None:
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise error(f"{target} holds something already: move it away first")


def unpack(
    archive: Path,
    target: Path,
    *,
    error: type[FaunashotError],
    strip_outer: bool = False,
) -> Path:
    """Unpack a zip archive; `target` appears once everything is there.

    Parameters
    ----------
    archive : Path
        The zip file.
    target : Path
        Does not exist yet, or is an empty folder.
    error : type
        What to raise.
    strip_outer : bool
        Whether to leave out an outer folder that holds everything else.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    FaunashotError
        Of the type `error`: the archive is damaged, or has a member that would leave `target`;
        nothing has been written then.
    """
    try:
        with zipfile.ZipFile(archive) as packed, new_folder(target, error=error) as fresh:
            for name in packed.namelist():
                parts = PurePosixPath(name.replace("\\", "/"))
                if parts.is_absolute() or ".." in parts.parts or PureWindowsPath(name).drive:
                    raise error(f"{archive} holds {name!r}, which would leave {target}: do not use")
            packed.extractall(fresh)
            children = list(fresh.iterdir())
            if strip_outer and len(children) == 1 and children[0].is_dir():
                outer = children[0].rename(fresh / ".outer")
                for child in outer.iterdir():
                    child.rename(fresh / child.name)
                outer.rmdir()
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as cause:
        why = _why(cause)
        raise error(f"{archive} cannot be unpacked ({why}): delete it and fetch again") from cause
    return target
