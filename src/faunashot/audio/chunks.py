"""Where the audio of a WAV, RF64, W64, AIFF, CAF or AU file lies, whatever its header says.

Recorders leave headers that say too much or too little: a length of 32 bits that wrapped past
4 GiB, one that was never written as the power went, one that counts the header too, or a
placeholder of a program that wrote into a pipe.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from faunashot.errors import AudioError

UNKNOWN_SIZES = (0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Sizes that recorders and pipes write when they do not know the length."""

LEAST_MORE = 512
"""Bytes after the audio that may be padding to a block of the disk, or a tag without a size."""

WRAP = 2**32

CHUNKS_BESIDE = frozenset(
    b"list cue  bext ixml id3  guan wamd fact smpl inst plst note labl ltxt junk pad  fllr peak "
    b"afsp minf elm1 regn umid axml _pmx acid strc cart chna dbmd levl link disp lgwv info slnt "
    b"name auth (c)  anno comt mark midi aesd appl saxl chan free strg uuid pakt ovvw edct fver "
    b"user text".split(b" ")
)
"""Chunks of notes that may follow the audio, in lower case and without the blanks at their end."""


@dataclass(frozen=True)
class AudioBytes:
    """Where the audio of a file lies, in bytes.

    Attributes
    ----------
    start, there : int
        First byte, and how many there are.
    announced : int or None
        How many the header announces; None where it gives none.
    head : bytes or None
        What the file should begin with in place of its first `start` bytes, so that its header
        announces what is there; None where it does.
    """

    start: int
    there: int
    announced: int | None
    head: bytes | None


@dataclass(frozen=True)
class _Container:
    """How a kind of file lays out its chunks.

    Attributes
    ----------
    first : int
        Where the first chunk begins.
    audio : bytes
        Name of the chunk of audio.
    name, size : int
        Bytes of a chunk's name, and of its size.
    order : str
        Of the bytes of a size.
    align : int
        What chunks begin at a multiple of.
    counts_itself : bool
        Whether a size counts name and size, too.
    before : int
        Bytes of the chunk of audio that come before the audio.
    """

    first: int = 12
    audio: bytes = b"data"
    name: int = 4
    size: int = 4
    order: str = "<"
    align: int = 2
    counts_itself: bool = False
    before: int = 0

    @property
    def head(self) -> int:
        """Bytes before what a chunk holds."""
        return self.name + self.size

    def parse(self, head: bytes) -> tuple[bytes, int]:
        """Name of a chunk, at most four bytes of it, and the size of what it holds."""
        size = int.from_bytes(head[self.name :], "little" if self.order == "<" else "big")
        return head[:4], size - (self.head if self.counts_itself else 0)

    def packed(self, size: int) -> bytes:
        """How the size of a chunk is written that holds so many bytes."""
        written = size + (self.head if self.counts_itself else 0)
        return written.to_bytes(self.size, "little" if self.order == "<" else "big")

    def after(self, begin: int, size: int) -> int:
        """Where the chunk after one begins whose content does at `begin`."""
        return begin + size + -(begin + size) % self.align


_WAV = _Container()
_W64 = _Container(first=40, name=16, size=8, align=8, counts_itself=True)
_AIFF = _Container(audio=b"SSND", order=">", before=8)
_CAF = _Container(first=8, size=8, order=">", align=1, before=4)


def audio_bytes(file: BinaryIO, total: int) -> AudioBytes | None:
    """Find the audio of a file of `total` bytes; None where it is no such file, or has none.

    Raises
    ------
    AudioError
        There is more than the container can announce.
    """
    file.seek(0)
    magic = file.read(24)
    if magic[:4] == b".snd" and len(magic) == 24:
        return _au(file, magic, total)
    kind = _kind(magic)
    return None if kind is None else _chunked(file, kind, magic, total)


def _kind(magic: bytes) -> _Container | None:
    if magic[:4] in (b"RIFF", b"RF64", b"BW64") and magic[8:12] == b"WAVE":
        return _WAV
    if magic[:4] == b"FORM" and magic[8:12] in (b"AIFF", b"AIFC"):
        return _AIFF
    return {b"riff": _W64, b"caff": _CAF}.get(magic[:4])


def _au(file: BinaryIO, magic: bytes, total: int) -> AudioBytes:
    start, size = struct.unpack(">II", magic[4:12])
    there = max(0, total - start)
    if size == 0xFFFFFFFF:  # the format's own way to say so
        return AudioBytes(start, there, None, None)
    if size < there < size + LEAST_MORE:
        there = size
    if there == size:
        return AudioBytes(start, there, size, None)
    head = _first(file, start)
    announced = None if size in UNKNOWN_SIZES else size
    return AudioBytes(start, there, announced, head[:8] + b"\xff" * 4 + head[12:])


def _chunked(file: BinaryIO, kind: _Container, magic: bytes, total: int) -> AudioBytes | None:
    at, ds64 = kind.first, 0
    while True:
        if at + kind.head > total:
            return None
        file.seek(at)
        head = file.read(kind.head)
        name, size = kind.parse(head)
        if name == kind.audio:
            break
        if name == b"ds64" and kind is _WAV:
            ds64 = at + kind.head
        if size < 0:
            return None
        at = kind.after(at + kind.head, size)
    start = at + kind.head + kind.before
    said = size - kind.before
    if ds64 and magic[:4] != b"RIFF":  # of RF64, whose chunk of audio has no room for its size
        file.seek(ds64 + 8)
        size = said = int.from_bytes(file.read(8), "little") or said
    riff = int.from_bytes(magic[4:8], "little" if kind.order == "<" else "big")
    unknown = size in UNKNOWN_SIZES or said + start - 8 == riff in UNKNOWN_SIZES or said >= 2**62
    announced = None if unknown and start + said > total else max(said, 0)
    there = _there(file, kind, start, announced, total)
    if there == announced:
        return AudioBytes(start, there, announced, None)
    head = _mended(bytearray(_first(file, start)), kind, at + kind.name, there, ds64)
    return AudioBytes(start, there, announced or None, head)


def _there(file: BinaryIO, kind: _Container, start: int, announced: int | None, total: int) -> int:
    """Bytes of audio, be they announced or not."""
    most = max(0, total - start)
    if announced is None or announced >= most:
        return most
    if kind.size == 4:  # it may have wrapped, however often
        announced += (most - announced) // WRAP * WRAP
    return most if _goes_on(file, kind, start + announced, total) else announced


def _goes_on(file: BinaryIO, kind: _Container, end: int, total: int) -> bool:
    """Whether what follows a chunk of audio is more audio, not notes and not padding."""
    file.seek(end)
    unpadded = file.read(4).lower().rstrip(b" ") in CHUNKS_BESIDE
    at = begin = end if unpadded else kind.after(end, 0)
    if total - at < LEAST_MORE:
        return False
    while at + kind.head <= total:
        file.seek(at)
        name, size = kind.parse(file.read(kind.head))
        known = name.lower().rstrip(b" ") in CHUNKS_BESIDE
        if known and at + kind.head + size >= total - LEAST_MORE:  # the last, be it cut off
            return False
        plausible = known or all(0x20 <= byte < 0x7F for byte in name)
        at = begin + kind.after(at + kind.head - begin, size)
        if not plausible or size < 0 or at > total + kind.align:
            return not _is_zero(file, end)
    return False


def _is_zero(file: BinaryIO, at: int) -> bool:
    """Whether nothing but zeros follows, as where a recorder reserved more room than it filled."""
    file.seek(at)
    while block := file.read(1 << 20):
        if block.strip(b"\0"):
            return False
    return True


def _first(file: BinaryIO, n: int) -> bytes:
    file.seek(0)
    return file.read(n)


def _mended(head: bytearray, kind: _Container, size_at: int, there: int, ds64: int) -> bytes:
    """The header of a file that announces so many bytes of audio."""
    is_riff = head.startswith(b"RIFF")
    if kind is _WAV and ds64 and not is_riff:
        head[ds64 + 8 : ds64 + 16] = there.to_bytes(8, "little")
        head[size_at : size_at + 4] = b"\xff" * 4
        return bytes(head)
    held = there + kind.before
    if held < WRAP - len(head) or kind.size > 4:
        head[size_at : size_at + kind.size] = kind.packed(held)
        if kind is _WAV:
            head[:4] = b"RIFF"
        return bytes(head)
    if kind is not _WAV:
        raise AudioError(
            "it holds more than the 4 GiB that its container can announce: save it as WAV"
        )
    room = struct.pack("<4sIQQQI", b"ds64", 28, len(head) + 28 + there, there, 0, 0)
    return b"RF64" + b"\xff" * 4 + b"WAVE" + room + bytes(head[12:-4]) + b"\xff" * 4
