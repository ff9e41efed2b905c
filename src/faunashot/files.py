"""Folders that are there as a whole or not at all, and locks that a killed process gives back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a draft beside `folder` that takes its place when the block ends without an error.

    A draft that a killed process left is removed.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}.draft-"
    for left in folder.parent.glob(f"{prefix}*"):
        with locked(left, wait=False) as free:
            if free:
                shutil.rmtree(left, ignore_errors=True)
    draft = folder.with_name(f"{prefix}{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        with locked(draft):
            yield draft
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a file or folder that is there; gives whether it is held.

    The lock ends with the process, however that ends. On a file system that has no locks, and on
    Windows, it is taken for held.
    """
    if fcntl is None:
        yield True
        return
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # the process whose it is has just removed it
        yield False
        return
    try:
        held = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = False
        except OSError:  # a network file system may not lock
            pass
        yield held
    finally:
        os.close(handle)
