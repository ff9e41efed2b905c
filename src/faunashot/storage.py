"""A folder anywhere: on a local disk, or on any file system that fsspec knows (``s3://...``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from faunashot.errors import StoreError
from faunashot.files import link, write_atomically


class Storage:
    """A folder whose files are there as a whole or not at all.

    Parameters
    ----------
    url : str or Path
        A path, or a URL that fsspec knows.

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

    def __truediv__(self, name: str) -> Storage:
        return Storage(self.local / name if self.local else f"{self.url.rstrip('/')}/{name}")

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file, in place of one that is there."""
        if self.local is None:
            self._fs.pipe_file(f"{self._root}/{name}", bytes(content))
        else:
            write_atomically(self.local / name, content)

    def link(self, name: str, source: Storage) -> None:
        """Take a file of another folder in at the least cost: a link, or a copy.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        """
        if self.local is not None and source.local is not None:
            link(source.local / name, self.local / name)
        elif self.local is None and source.local is None and type(self._fs) is type(source._fs):
            self._fs.cp_file(f"{source._root}/{name}", f"{self._root}/{name}")
        else:
            self.write(name, source.read(name))

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
            found: dict[str, int] = {}
            for folder, _, names in os.walk(self.local):
                for name in names:
                    file = Path(folder, name)
                    try:
                        found[file.relative_to(self.local).as_posix()] = file.lstat().st_size
                    except FileNotFoundError:  # removed since it was listed
                        continue
            return found
        self._fs.invalidate_cache()
        listed: dict[str, Any] = self._fs.find(self._root, detail=True)
        return {path[len(self._root) :].lstrip("/"): at["size"] for path, at in listed.items()}

    def remove(self, names: set[str]) -> None:
        """Remove files; those that are not there are passed over."""
        for name in sorted(names):
            try:
                if self.local is not None:
                    (self.local / name).unlink()
                else:
                    self._fs.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                continue
