"""Files and folders that are whole or not there, links, locks, and where the cache is."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

CACHE = "FAUNASHOT_CACHE"
"""Environment variable: folder of what is kept between runs; in the user's cache unless set."""

DRAFT = ".draft-"
"""Prefix of what is being written; a killed process leaves it."""

_FICLONE = 0x40049409  # Linux' ioctl by which two files share their blocks until one is changed


def cache_folder() -> Path:
    """Folder of what is made once on a machine: features and converted models.

    Where ``FAUNASHOT_CACHE`` is a URL, which features alone can do with, it is the user's.
    """
    named = os.environ.get(CACHE, "")
    if named and "://" not in named:
        return Path(named).expanduser().absolute()
    return Path.home() / ".cache" / "faunashot"


def plain_name(file: Path | str) -> str:
    """Name of a file that is the same however it was written: in the current folder, relative."""
    path = Path(os.path.normpath(file))
    with suppress(ValueError):
        path = path.relative_to(Path.cwd())
    return path.as_posix()


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, in hex, of which little is in memory at once."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write_atomically(file: Path, content: bytes | memoryview | str) -> None:
    """Write a file, in place of one that is there; it is never seen in part.

    Text is written as UTF-8. Folders are made.
    """
    data = content.encode() if isinstance(content, str) else content
    file.parent.mkdir(parents=True, exist_ok=True)
    with _draft(file) as draft:
        draft.write_bytes(data)


def link(source: Path, target: Path) -> None:
    """Make `target` the same as `source` at the least cost, in place of what is there.

    A clone that shares its blocks (reflink) where the file system has such, else a hard link,
    else a copy.
    """
    source = source.resolve()
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with _draft(target) as draft:
        if _reflink(source, draft):
            return
        try:
            os.link(source, draft)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one that has no links
            shutil.copyfile(source, draft)


def _reflink(source: Path, target: Path) -> bool:
    if fcntl is None:
        return False
    try:
        with source.open("rb") as opened, target.open("wb") as made:
            fcntl.ioctl(made.fileno(), _FICLONE, opened.fileno())
    except FileNotFoundError:
        raise
    except OSError:
        target.unlink(missing_ok=True)
        return False
    return True


@contextmanager
def _draft(file: Path) -> Iterator[Path]:
    draft = file.with_name(f"{DRAFT}{uuid.uuid4().hex}")
    try:
        yield draft
        os.replace(draft, file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a draft beside `folder` that takes its place when the block ends without an error.

    A draft that a killed process left is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix, lock = f".{folder.name}.draft-", ".lock"
    for left in folder.parent.glob(f"{prefix}*{lock}"):
        with locked(left, timeout_s=0) as free:
            if free:
                shutil.rmtree(left.with_name(left.name.removesuffix(lock)), ignore_errors=True)
    draft = folder.with_name(f"{prefix}{uuid.uuid4().hex}")
    with locked(draft.with_name(draft.name + lock)):
        draft.mkdir()
        try:
            yield draft
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def locked(file: Path, *, timeout_s: float = -1) -> Iterator[bool]:
    """Hold a lock file in a folder that is there; gives whether it is held.

    The lock ends with the process, however that ends; its file is removed with it, or by the next
    who holds it. On a file system that has no locks, or cannot be written, it is taken for held.

    Parameters
    ----------
    file : Path
        The lock file.
    timeout_s : float
        How long to wait for another who holds it; without end where negative.
    """
    lock = FileLock(file)
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        yield False
        return
    except (OSError, NotImplementedError):
        yield True
        return
    try:
        yield True
    finally:
        with suppress(OSError):  # Windows removes no open file
            file.unlink()  # who waits for it finds it gone, and makes it anew
        lock.release()
