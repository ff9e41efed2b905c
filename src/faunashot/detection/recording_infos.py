"""How long the recordings are that a table is of, which some formats have to say."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from faunashot.annotations.formats.base import RecordingInfo
from faunashot.audio.decode import announced, decode
from faunashot.errors import AudioError


def recording_infos(files: Iterable[str], *, root: Path | None = None) -> dict[str, RecordingInfo]:
    """Length and rate of each recording, from its header, or decoded where that does not say.

    Parameters
    ----------
    files : iterable of str
        As a table names them.
    root : Path, optional
        The folder that they lie in; this one if not given.

    Returns
    -------
    dict of str to RecordingInfo
        Each recording once, in the order given.

    Raises
    ------
    AudioError
        One of them is not there or cannot be read; the message names it.
    """
    return {file: _length((root or Path()) / file, named=file) for file in dict.fromkeys(files)}


def _length(file: Path, *, named: str) -> RecordingInfo:
    try:
        found = announced(file) or decode(file)
    except AudioError as error:
        raise AudioError(f"{named}: {error}") from error
    return RecordingInfo(found.duration_s, found.sample_rate)
