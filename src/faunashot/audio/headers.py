"""What a file's own header announces, to tell a cut-off recording from a short one.

libsndfile reads a truncated WAV, AIFF, AU or Ogg as if it had been made that short, FFmpeg
a truncated Matroska; both believe a header that announces less than there is.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from faunashot.audio.chunks import audio_bytes
from faunashot.errors import AudioError

MOST_MISSING = 0.5
"""A recording of which more than this share is missing is refused: what its label names, or what
is looked for in it, is likelier to be in the part that is lost."""

MOST_SURPLUS = 512
"""Bytes that a header may announce beside what is there: recorders count the header, too."""

EBML, SEGMENT, CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"
"""Of Matroska: the first bytes, and what may be written without a size, while it is recorded."""

LONGEST_PAGE = 27 + 255 + 255 * 255
"""Bytes of the longest page of an Ogg stream."""


@dataclass(frozen=True)
class Header:
    """What a recording's header says of its length, beside what is there.

    Attributes
    ----------
    announced : int or None
        Bytes of audio that it announces; None where it gives no length.
    there : int
        Bytes of audio that are there.
    start : int
        Where they begin, where `head` is given.
    head : bytes or None
        What replaces the first `start` bytes, so that decoders read what is there.
    note : str or None
        What is wrong with the length, in a few words; None where nothing is.
    """

    announced: int | None = None
    there: int = 0
    start: int = 0
    head: bytes | None = None
    note: str | None = None

    @property
    def announces_less(self) -> bool:
        """Whether more is read than a decoder that believes the header would read."""
        return self.head is not None and (self.announced is None or self.announced < self.there)


def examine(source: Path | bytes, *, whole: bool = True) -> Header:
    """Compare what a recording's header announces with what is there.

    It is done for WAV, RF64, W64, AIFF, CAF, AU, Ogg, MP4 and Matroska. FLAC's decoder notices by
    itself, the lengths that MPEG files give are often wrong.

    Parameters
    ----------
    source : Path or bytes
        The recording.
    whole : bool
        Whether its container is to be gone through where that takes long, or only what has to be
        known to decode a part of it.

    Raises
    ------
    AudioError
        More than `MOST_MISSING` of the audio is not there.
    """
    with _plain(source) as file:
        total = file.seek(0, os.SEEK_END)
        file.seek(0)
        magic = file.read(12)
        if not whole and (magic[:4] in (b"OggS", EBML) or magic[4:8] == b"ftyp"):
            return Header()
        if magic[:4] == b"OggS":
            return Header(note=_ogg_lacks(file, total))
        if found := audio_bytes(file, total):
            announced, there, start, head = found.announced, found.there, found.start, found.head
            surplus = min(start, MOST_SURPLUS)
        else:
            announced, there, start, head = _announced_end(file, magic, total), total, 0, None
            surplus = 0
    note = None
    if announced is None:
        if head is not None and there:
            note = "its header gives no length: all that is there is read"
    elif there > announced > 0 and head is not None:
        note = f"its header announces {announced} of the {there} bytes of audio: all are read"
    elif announced - there > surplus:
        bytes_ = f"{announced - there} bytes of audio that its header announces are not there"
        note = cut_off(bytes_, missing=(announced - there) / announced)
    return Header(announced, there, start, head, note)


def cut_off(what: str, *, missing: float) -> str:
    """Note of a recording of which a share is missing.

    Raises
    ------
    AudioError
        It is more than `MOST_MISSING`.
    """
    note = f"cut off: {what}, {100 * missing:.3g} % of it"
    if missing > MOST_MISSING:
        raise AudioError(f"{note}, which is too much to go without")
    return note


@contextmanager
def opened(source: Path | bytes, header: Header) -> Iterator[BinaryIO]:
    """Open a recording with a header that announces what is there."""
    with _plain(source) as file:
        yield file if header.head is None else cast("BinaryIO", _Mended(file, header))


class _Mended(io.RawIOBase):
    """A file whose first bytes are others, and which ends where its audio does."""

    def __init__(self, file: BinaryIO, header: Header) -> None:
        assert header.head is not None
        self._file, self._head, self._at = file, header.head, 0
        self._shift = header.start - len(header.head)
        self._end = len(header.head) + header.there

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; stays where it is where that would be before the beginning."""
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        self._at = at if at >= 0 else self._at  # libsndfile's callback would print an exception
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as there is anything; gives how far."""
        room = memoryview(buffer).cast("B")
        if self._at < len(self._head):
            part = self._head[self._at : self._at + len(room)]
        else:
            self._file.seek(self._at + self._shift)
            part = self._file.read(max(0, min(len(room), self._end - self._at)))
        room[: len(part)] = part
        self._at += len(part)
        return len(part)


@contextmanager
def _plain(source: Path | bytes) -> Iterator[BinaryIO]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        yield file


def mpeg_tells_length(source: Path | bytes) -> bool:
    """Whether an MP3 file says how many frames it has.

    Of one that does not, a decoder guesses the length from its first bit rate.
    """
    with _plain(source) as file:
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


def _announced_end(file: BinaryIO, magic: bytes, total: int) -> int | None:
    """Where an MP4 or Matroska file should end, in bytes; None where the header does not say."""
    if magic[4:8] == b"ftyp":
        return _mp4_end(file, total) or None
    if magic[:4] == EBML:
        return _matroska_end(file, total) or None
    return None


def _mp4_end(file: BinaryIO, total: int) -> int:
    """Where the last box ends that decoding needs: its table of samples, or the samples."""
    end = 0
    file.seek(0)
    while len(header := file.read(8)) == 8:
        size, kind = int.from_bytes(header[:4]), header[4:]
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


def _ogg_lacks(file: BinaryIO, total: int) -> str | None:
    """Note of the pages of an Ogg stream that are missing, be it in front, within or at the end."""
    at = there = lost = 0
    ends = False
    following: dict[bytes, int] = {}  # number of the page that follows, of each stream
    while 0 <= at < total:
        file.seek(at)
        head = file.read(27)
        if head[:4] != b"OggS" or len(head) < 27:
            file.seek(at)
            found = file.read(2 * LONGEST_PAGE).find(b"OggS", 1)
            at = at + found if found > 0 else -1
            continue
        stop = at + 27 + head[26] + sum(file.read(head[26]))
        stream, number = head[14:18], int.from_bytes(head[18:22], "little")
        lost += max(0, number - following.get(stream, number))
        following[stream] = number + 1
        ends = bool(head[5] & 0x04) and stop <= total
        there, at = there + 1, stop
    if lost:
        return cut_off(f"{lost} pages of its stream are not there", missing=lost / (lost + there))
    return None if ends else "cut off: its stream has no whole last page"
