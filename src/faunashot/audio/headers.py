"""What a file's own header announces, to tell a cut-off recording from a short one.

libsndfile reads a truncated WAV, AIFF, AU or Ogg as if it had been made that short, FFmpeg
a truncated Matroska.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import BinaryIO

UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Data sizes that recorders and pipes write when they do not know the length."""

EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
"""Of Matroska: the first bytes, and what may be written without a size, while it is recorded."""

LONGEST_PAGE = 27 + 255 + 255 * 255
"""Bytes of the longest page of an Ogg stream."""


def cut_off(source: Path | bytes) -> str | None:
    """What a WAV, AIFF, AU, Ogg, MP4 or Matroska file lacks of what it announces, or None.

    None for other formats, too: FLAC's decoder notices by itself, the lengths that MPEG files
    give are often wrong.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        total = file.seek(0, os.SEEK_END)
        file.seek(0)
        magic = file.read(12)
        if magic[:4] == b"OggS":
            return None if _ogg_ends(file, total) else "its stream has no whole last page"
        missing = _announced_end(file, magic, total) - total
    if missing > 0:
        return f"{missing} bytes of audio that its header announces are not there"
    return None


def mpeg_tells_length(source: Path | bytes) -> bool:
    """Whether an MP3 file says how many frames it has.

    Of one that does not, a decoder guesses the length from its first bit rate.
    """
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # its size has 7 bits a byte
            file.seek(
                10
                + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            )
        else:
            file.seek(0)
        first_frame = file.read(256)
    return any(tag in first_frame for tag in (b"Xing", b"Info", b"VBRI"))


def _announced_end(file: BinaryIO, magic: bytes, total: int) -> int:
    """Where the audio should end, in bytes; 0 where the header does not say."""
    form, kind = magic[:4], magic[8:]
    if form in (b"RIFF", b"RF64") and kind == b"WAVE":
        return _chunk_end(file, b"data", order="<")
    if form == b"FORM" and kind in (b"AIFF", b"AIFC"):
        return _chunk_end(file, b"SSND", order=">")
    if magic[4:8] == b"ftyp":
        return _mp4_end(file, total)
    if form == EBML:
        return _matroska_end(file, total)
    if form == b".snd" and len(magic) == 12:
        start, size = struct.unpack(">II", magic[4:])
        return 0 if size in UNKNOWN_SIZES else start + size
    return 0


def _chunk_end(file: BinaryIO, name: bytes, *, order: str) -> int:
    long_size = 0
    while len(header := file.read(8)) == 8:
        kind, size = struct.unpack(f"{order}4sI", header)
        at = file.tell()
        if kind == name:
            size = long_size or size
            return 0 if size in UNKNOWN_SIZES else at + size
        if kind == b"ds64":  # of RF64, whose data chunk has no room for its size
            long_size = int.from_bytes(file.read(16)[8:], "little")
        file.seek(at + size + size % 2)
    return 0


def _mp4_end(file: BinaryIO, total: int) -> int:
    """Where the last box ends that decoding needs: its table of samples, or the samples."""
    end = 0
    file.seek(0)
    while len(header := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", header)
        start = file.tell() - 8
        if size == 1:
            size = int.from_bytes(file.read(8))
        if size < 8:  # to the end of the file, or no box
            break
        if kind in (b"moov", b"moof", b"mdat"):
            end = start + size
        if start + size > total:
            break
        file.seek(start + size)
    return end


def _matroska_end(file: BinaryIO, total: int) -> int:
    """Where the last element ends; those of a segment or cluster with no size are gone through."""
    end = 0
    file.seek(0)
    while start := file.read(1):
        kind = start + file.read(_length(start) - 1)
        size_start = file.read(1)
        length = _length(size_start)
        rest = file.read(length - 1)
        if len(rest) < length - 1 or not size_start:
            return file.tell() + 1
        if length > 8:  # no element: FFmpeg looks for the next one
            return 0
        size = int.from_bytes(bytes([size_start[0] & 0xFF >> length]) + rest)
        if size == 2 ** (7 * length) - 1:  # unknown
            if kind not in (SEGMENT, CLUSTER):
                return 0
            continue
        end = file.tell() + size
        if end > total:
            break
        file.seek(end)
    return end


def _length(start: bytes) -> int:
    """Bytes of a number of Matroska, which has one zero bit less before it than it has bytes."""
    return 9 - int.from_bytes(start).bit_length()


def _ogg_ends(file: BinaryIO, total: int) -> bool:
    """Whether the last page is all there and marked as the end of its stream."""
    file.seek(max(0, total - LONGEST_PAGE))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return False
    sizes = page[27 : 27 + page[26]]
    return bool(page[5] & 0x04) and len(page) >= 27 + page[26] + sum(sizes)
