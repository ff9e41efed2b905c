"""How long recordings are: from their headers, where they are found, or from a table."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from faunashot.annotations.matching import match_recordings
from faunashot.audio.decode import announced
from faunashot.audio.recordings import find_recordings
from faunashot.errors import AnnotationError, AudioError

THREADS = 8


def lengths_of(
    recordings: Iterable[str], *, audio: Path | None = None, table: Path | None = None
) -> dict[str, float]:
    """Seconds of recordings, without those that are not found.

    Parameters
    ----------
    recordings : iterable of str
        As tables name them; looked for where their paths say, unless `audio` or `table` is given.
    audio : Path, optional
        Folder in which they are looked for, by their paths' ends, see `match_recordings`.
    table : Path, optional
        CSV with the columns ``file`` and ``duration_s``.

    Raises
    ------
    AnnotationError
        `table` lacks a column or holds what is no length, or `audio` is not there.
    """
    if table is not None:
        return _of_table(table)
    if audio is None:
        files = {name: Path(name) for name in recordings if Path(name).is_file()}
    elif not audio.is_dir():
        raise AnnotationError(f"{audio}: no folder of recordings")
    else:
        there = {file.as_posix(): file for file in find_recordings([audio]).files}
        pairs = match_recordings(recordings, there).pairs
        files = {name: there[found] for name, found in pairs.items()}
    with ThreadPoolExecutor(THREADS) as pool:
        lengths = dict(zip(files, pool.map(_length_s, files.values()), strict=True))
    return {name: length for name, length in lengths.items() if length is not None}


def _length_s(file: Path) -> float | None:
    try:
        found = announced(file)
    except (AudioError, OSError):
        return None
    return None if found is None else found.duration_s


def _of_table(path: Path) -> dict[str, float]:
    found = pd.read_csv(path, dtype="str", keep_default_na=False)
    if lacking := [name for name in ("file", "duration_s") if name not in found]:
        raise AnnotationError(f"{path}: no column {lacking[0]!r}")
    seconds = pd.to_numeric(found["duration_s"], errors="coerce")
    bad = ~(seconds > 0).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        text = found["duration_s"][row]
        raise AnnotationError(f"{path}: line {row + 2}: {text!r} is no length in seconds")
    return dict(zip(found["file"], seconds.tolist(), strict=True))
