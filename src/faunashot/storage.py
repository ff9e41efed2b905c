"""A folder anywhere: on a local disk, or on any file system that fsspec knows (``s3://...``)."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from faunashot.errors import StoreError

DRAFT = ".draft-"
"""Prefix of what is being written; a killed process leaves it."""


class Storage:
    """A folder whose files are there as a whole or not at all.

    Parameters
    ----------
    url : a path, or a URL that fsspec knows.

    Raises
    ------
    StoreError
        The URL's file system is not known, or its package is not installed.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = str(url)
        self.local = Path(url) if "://" not in self.url else None
        if self.local is None:
            import fsspec

            try:
                self._fs, self._root = fsspec.core.url_to_fs(self.url)
            except (ImportError, ValueError) as error:
                raise StoreError(f"{self.url}: {error}") from error

    def __str__(self) -> str:
        return self.url

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file, in place of one that is there."""
        if self.local is None:
            self._fs.pipe_file(f"{self._root}/{name}", bytes(content))
            return
        file = self.local / name
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{DRAFT}{uuid.uuid4().hex}")
        try:
            draft.write_bytes(content)
            os.replace(draft, file)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> bytes:
        """Content of a file.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        """
        if self.local is not None:
            return (self.local / name).read_bytes()
        return bytes(self._fs.cat_file(f"{self._root}/{name}"))

    def sizes(self) -> dict[str, int]:
        """Bytes of all files by name, those in folders as ``folder/name``."""
        if self.local is not None:
            files = (file for file in self.local.rglob("*") if not file.is_dir())
            return {file.relative_to(self.local).as_posix(): file.lstat().st_size for file in files}
        self._fs.invalidate_cache()
        found: dict[str, Any] = self._fs.find(self._root, detail=True)
        return {path[len(self._root) :].lstrip("/"): at["size"] for path, at in found.items()}

    def remove(self, names: set[str]) -> None:
        """Remove files."""
        for name in sorted(names):
            if self.local is not None:
                (self.local / name).unlink(missing_ok=True)
            else:
                self._fs.rm_file(f"{self._root}/{name}")
