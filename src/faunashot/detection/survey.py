"""Which recordings are gone through, and what their headers say before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from faunashot.audio.decode import announced
from faunashot.audio.recordings import find_recordings
from faunashot.errors import AudioError
from faunashot.features.extract import cores, stamp


class Recording(NamedTuple):
    """A recording to detect in.

    Attributes
    ----------
    file, below : str
        As of `Detected`.
    path : Path
    stamp : tuple of int
        As `faunashot.features.extract.stamp` gives it.
    duration_s : float
        As its header says; 0 where it does not.
    sample_rate : int
        The same, in Hz.
    note : str or None
        What is odd about its header.
    """

    file: str
    below: str
    path: Path
    stamp: tuple[int, int]
    duration_s: float = 0.0
    sample_rate: int = 0
    note: str | None = None


def survey(named: Sequence[Path]) -> tuple[list[Recording], dict[str, str]]:
    """Recordings that files, folders and globs name.

    Returns
    -------
    list of Recording
        Those whose headers can be read, in the order of the names.
    dict of str
        What is wrong with the others, by path or name.
    """
    found = find_recordings(named)
    within = named[0] if len(named) == 1 and named[0].is_dir() else None
    with ThreadPoolExecutor(cores()) as pool:
        seen = list(pool.map(lambda path: _seen(path, within), found.files))
    good = [one for one in seen if isinstance(one, Recording)]
    bad = {
        path.as_posix(): one
        for path, one in zip(found.files, seen, strict=True)
        if isinstance(one, str)
    }
    return good, dict(found.problems) | bad


def _seen(path: Path, within: Path | None) -> Recording | str:
    try:
        found_stamp = stamp(path)
        found = announced(path)
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return f"unreadable: {error.strerror or error}"
    except AudioError as error:
        return str(error)
    plain = Recording(path.as_posix(), _below(path, within), path, found_stamp)
    if found is None:
        return plain
    return plain._replace(
        duration_s=found.duration_s, sample_rate=found.sample_rate, note=found.note
    )


def _below(file: Path, within: Path | None) -> str:
    """Where the tables of a recording lie in the folder of the detections."""
    if within is not None:
        return file.relative_to(within).as_posix()
    return "/".join(part for part in file.parts if part not in (file.anchor, ".."))
