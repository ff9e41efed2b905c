"""What recorders note in the header of a WAV file: GUANO, WAMD, and AudioMoth's comment."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from faunashot.audio.chunks import audio_bytes
from faunashot.errors import AudioError

MOST_BYTES = 2**20
"""Of a chunk of notes that are read."""

WAMD_TIMESTAMP = 5
"""Number of the entry of the time among those of Wildlife Acoustics, see its header wa_meta.h."""


@dataclass(frozen=True)
class RecorderNotes:
    """What a header notes; empty, or None, where it does not.

    Attributes
    ----------
    comment : str
        The comment (ICMT) of the list of information.
    guano_timestamp, wamd_timestamp : datetime or None
        When the recording began, with an offset where it is given.
    """

    comment: str = ""
    guano_timestamp: datetime | None = None
    wamd_timestamp: datetime | None = None


def recorder_notes(path: Path) -> RecorderNotes:
    """Read the notes of a WAV file; those of one that cannot be opened, or is no WAV, are empty."""
    try:
        with path.open("rb") as file:
            chunks = dict(_chunks(file))
    except (OSError, AudioError, struct.error):
        return RecorderNotes()
    return RecorderNotes(
        comment=_comment(chunks.get(b"LIST", b"")),
        guano_timestamp=_guano(chunks.get(b"guan", b"")),
        wamd_timestamp=_wamd(chunks.get(b"wamd", b"")),
    )


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the chunks of notes, before and after the audio."""
    total = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:] != b"WAVE":
        return
    at = 12
    while at + 8 <= total:
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"data":
            found = audio_bytes(file, total)
            if found is None:
                return
            at = found.start + found.there
            at += at % 2
            continue
        if name in (b"guan", b"wamd") or (name == b"LIST" and file.read(4) == b"INFO"):
            file.seek(at + 8)
            yield name, file.read(min(size, MOST_BYTES))
        at += 8 + size + size % 2


def _comment(info: bytes) -> str:
    """The comment of a list of information, whose entries are chunks within it."""
    at = 4
    while at + 8 <= len(info):
        name, size = struct.unpack("<4sI", info[at : at + 8])
        if name == b"ICMT":
            text = info[at + 8 : at + 8 + size].partition(b"\0")[0]
            return text.decode("utf-8", "replace").strip()
        at += 8 + size + size % 2
    return ""


def _guano(content: bytes) -> datetime | None:
    if not content:
        return None
    from guano import GuanoFile

    try:
        found = GuanoFile.from_string(content.rstrip(b"\0")).get("Timestamp")
    except ValueError:  # a line that is no "key: value"
        return None
    return found if isinstance(found, datetime) else None


def _wamd(content: bytes) -> datetime | None:
    """The time of a WAMD chunk, such as ``2014-04-02 22:59:14-05:00``; the offset may lack."""
    at = 0
    while at + 6 <= len(content):
        number, size = struct.unpack("<HI", content[at : at + 6])
        value = content[at + 6 : at + 6 + size]
        if number == WAMD_TIMESTAMP:
            try:
                return datetime.fromisoformat(value.rstrip(b"\0 ").decode())
            except ValueError:
                return None
        at += 6 + size
    return None
