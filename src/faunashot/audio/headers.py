"""What a file's own header announces, to tell a cut-off recording from a short one.

libsndfile reads a truncated WAV or Ogg as if it had been made that short.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import BinaryIO

UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Data sizes that recorders and pipes write when they do not know the length."""


def missing_bytes(source: Path | bytes) -> int:
    """Bytes of audio that a RIFF/WAVE header announces but the file does not have.

    For Ogg, 1 where the stream never comes to its end-of-stream page. 0 for other formats: FLAC
    and MPEG decoders raise by themselves or have no length to hold them to.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        magic = file.read(12)
        if magic[:4] == b"RIFF" and magic[8:12] == b"WAVE":
            return _riff(file)
        if magic[:4] == b"OggS":
            return _ogg(file)
    return 0


def _size(file: BinaryIO) -> int:
    at = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(at)
    return size


def _riff(file: BinaryIO) -> int:
    total = _size(file)
    while True:
        header = file.read(8)
        if len(header) < 8:
            return 0
        kind, size = struct.unpack("<4sI", header)
        if kind == b"data":
            return 0 if size in UNKNOWN_SIZES else max(0, size - (total - file.tell()))
        file.seek(size + size % 2, os.SEEK_CUR)


def _ogg(file: BinaryIO) -> int:
    total = _size(file)
    file.seek(max(0, total - 65_536 - 282))  # the longest page
    tail = file.read()
    last = tail.rfind(b"OggS")
    end_of_stream = last >= 0 and len(tail) > last + 5 and tail[last + 5] & 0x04
    return 0 if end_of_stream else 1
