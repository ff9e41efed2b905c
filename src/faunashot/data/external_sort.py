"""Rows sorted by a key in bounded memory, however many there are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

ROWS = 2**20
"""Rows that are sorted in memory at once."""

_EVERY = 256  # of so many rows of a block, the key of one stays in memory

Rows = npt.NDArray[Any]


class ExternalSort(AbstractContextManager["ExternalSort"]):
    """Sorts rows by blocks that are kept in a temporary file, and merges the blocks part by part.

    The file has no name, so that it is gone when the process ends, however it ends; it is made
    where the environment variable ``TMPDIR`` says. A memory map would not do: the pages that were
    read count as the process' memory, and a full disk ends the process without a word.

    Parameters
    ----------
    dtype : dtype
        Fields of a row; one of them is ``key``, by which rows are sorted.
    rows : int
        How many are sorted at once; fewer altogether never reach the disk.
    """

    def __init__(self, dtype: npt.DTypeLike, *, rows: int = ROWS) -> None:
        self._dtype = np.dtype(dtype)
        self._rows = rows
        self._waiting: list[Rows] = []
        self._n_waiting = 0
        self._sizes: list[int] = []
        self._sampled: list[Rows] = []
        self._file: BinaryIO | None = None

    def __exit__(self, *error: object) -> None:
        self._waiting.clear()
        if self._file:
            self._file.close()

    def append(self, **fields: npt.ArrayLike) -> None:
        """Add rows, given field by field.

        Raises
        ------
        OSError
            The disk is full; the error names the temporary folder.
        """
        rows = np.empty(len(np.atleast_1d(fields["key"])), self._dtype)
        for name, values in fields.items():
            rows[name] = values
        self._waiting.append(rows)
        self._n_waiting += len(rows)
        if self._n_waiting >= self._rows:
            waiting = self._sorted_waiting()
            for start in range(0, len(waiting), self._rows):
                self._write(waiting[start : start + self._rows])

    def __iter__(self) -> Iterator[Rows]:
        """Give all rows once, in ascending parts; all rows of one key are in one part.

        Rows of one key come in no particular order.
        """
        last = self._sorted_waiting()
        if not self._sizes:
            if len(last):
                yield last
            return
        if len(last):
            self._write(last)
        sampled = np.sort(np.concatenate(self._sampled))
        starts = np.cumsum([0, *self._sizes])
        position = starts[:-1].copy()
        step = max(self._rows // _EVERY, 1)
        for bound in [*np.unique(sampled[step::step]), None]:
            part = []
            for block, size in enumerate(self._sizes):
                stop = starts[block + 1]
                if bound is not None:
                    seen = int(np.searchsorted(self._sampled[block], bound))
                    stop = starts[block] + min(seen * _EVERY, size)
                found = self._read(position[block], stop)
                if bound is not None:
                    found = found[: np.searchsorted(found["key"], bound)]
                position[block] += len(found)
                part.append(found)
            if any(map(len, part)):
                yield _sorted(np.concatenate(part))

    def _sorted_waiting(self) -> Rows:
        rows = np.concatenate([np.empty(0, self._dtype), *self._waiting])
        self._waiting.clear()
        self._n_waiting = 0
        return _sorted(rows)

    def _write(self, block: Rows) -> None:
        try:
            if self._file is None:
                self._file = _temporary_file()
            left = memoryview(block.tobytes())
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise OSError(error.errno, error.strerror, tempfile.gettempdir()) from error
        self._sizes.append(len(block))
        self._sampled.append(block["key"][::_EVERY].copy())

    def _read(self, start: int, stop: int) -> Rows:
        assert self._file is not None
        self._file.seek(int(start) * self._dtype.itemsize)
        n_bytes = max(int(stop - start), 0) * self._dtype.itemsize
        return np.frombuffer(self._file.read(n_bytes), self._dtype)


def _temporary_file() -> BinaryIO:
    opened = tempfile.TemporaryFile(prefix="faunashot-", buffering=0)  # noqa: SIM115
    return cast(BinaryIO, opened)


def _sorted(rows: Rows) -> Rows:
    found: Rows = rows[np.argsort(rows["key"], kind="stable")]  # merges blocks that are sorted
    return found
