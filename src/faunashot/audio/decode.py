"""Recordings to samples: what libsndfile reads, then FFmpeg's libraries for the rest."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import soundfile as sf

from faunashot.audio import av_decode
from faunashot.audio.headers import Header, cut_off, examine, mpeg_tells_length, opened
from faunashot.audio.levels import STEP_16_BIT, level_db
from faunashot.audio.reading import Channel
from faunashot.errors import AudioError
from faunashot.native import quiet_native

ROUNDING_S = 0.1
"""By how much the length of an MPEG file may be wrong: a decoder drops its first frames."""

NO_SAMPLES = "holds no samples"

MOST_VALUES_S = 200_000
"""Samples of all channels that a second may have on average, where a length is given that a
recording may have: 48 kHz with four channels, or one that listens to bats."""

MPEG_IN_A_WAV = (b"\x50\0", b"\x55\0")
"""Format tags of WAV files that hold layers 1, 2 and 3."""

_HEAD_BYTES = 22
"""Up to the end of a WAV file's format tag, which begins at 20."""

UNKNOWN_LENGTH = 2**63 - 1
"""Frames that libsndfile gives a FLAC stream whose header has no length, which it cannot read."""


@dataclass(frozen=True)
class Audio:
    """A decoded recording.

    Attributes
    ----------
    samples : ndarray, shape (frames, channels)
        float32, finite, at least one frame; full scale is 1.
    sample_rate : int
        In Hz.
    codec : str
        Container and sample format, such as "WAV/PCM_16", or container and codec, as "MOV/AAC".
    note : str or None
        What is wrong with it though it can be used: it is longer than its header says, or cut off.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    codec: str
    note: str | None = None

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def loudest(self) -> int:
        """Number of the channel with the highest level, the first of several."""
        return max(range(self.samples.shape[1]), key=lambda at: level_db(self.samples[:, at]))

    def span(self, span_s: tuple[int, int] | None) -> Audio:
        """From and to which second; all of it if not given.

        Raises
        ------
        AudioError
            It ends before.
        """
        if span_s is None:
            return self
        first, stop = (at * self.sample_rate for at in span_s)
        if first >= len(self.samples):
            raise AudioError(NO_SAMPLES)
        return replace(self, samples=self.samples[first:stop])

    def mono(self, channel: Channel = "mix") -> npt.NDArray[np.float32]:
        """Mean over the channels, shape (frames,), or one of them."""
        if self.samples.shape[1] == 1:
            return self.samples[:, 0]
        if channel != "mix":
            number = {"left": 0, "right": 1}.get(channel)
            return self.samples[:, self.loudest if number is None else number]
        # channel by channel, which is ten times faster than a mean over rows of two
        total = np.zeros(len(self.samples))
        for channel_samples in self.samples.T:
            total += channel_samples
        return np.asarray(total / self.samples.shape[1], dtype=np.float32)


class Decode(Protocol):
    """What decodes a recording, or a span of it."""

    def __call__(self, source: Path | bytes, *, span_s: tuple[int, int] | None = None) -> Audio:
        """As `decode`."""
        ...


@dataclass(frozen=True)
class Announced:
    """What a recording's header says of it, before any of it is decoded.

    Attributes
    ----------
    duration_s : float
        Length in seconds of what is there; of some formats an estimate.
    sample_rate : int
        In Hz.
    note : str or None
        As of `Audio`.
    announces_less : bool
        Whether the header announces less than is there, and is not believed.
    """

    duration_s: float
    sample_rate: int
    note: str | None
    announces_less: bool = False


Read = TypeVar("Read")


def _quietly(read: Callable[..., Read]) -> Callable[..., Read]:
    """Hide what libmpg123, which libsndfile has for MPEG files alone, prints of a faulty one."""

    @functools.wraps(read)
    def quiet(source: Path | bytes, **how: Any) -> Read:
        with quiet_native() if _may_be_mpeg(source) else nullcontext():
            return read(source, **how)

    return quiet


def _may_be_mpeg(source: Path | bytes) -> bool:
    if isinstance(source, bytes):
        head = source[:_HEAD_BYTES]
    elif source.suffix.lower() == ".mp3":  # taken for one by its name alone
        return True
    else:
        try:
            with source.open("rb") as file:
                head = file.read(_HEAD_BYTES)
        except OSError:  # which is told of by who reads it
            return False
    if head[:4] == b"RIFF":
        return head[20:] in MPEG_IN_A_WAV
    return head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")


@_quietly
def announced(source: Path) -> Announced | None:
    """Read a recording's header; None where its format does not say how long it is.

    Raises
    ------
    AudioError
        The recording is unreadable, empty, not audio, or most of it is not there.
    """
    _refuse_unreadable(source)
    header = examine(source)
    note = header.note
    try:
        with _sound_file(source, header) as file:
            frames, rate = file.frames, file.samplerate
            if file.format == "FLAC" and not _decodes(file, frames - 1):
                frames, note = _decodable(source, header, frames)
            length_s = frames / rate
    except sf.SoundFileRuntimeError as error:
        found = av_decode.announced(source, header, why=_reason(error))
        if found is None:
            return None
        length_s, rate = found
    return Announced(length_s, rate, note, header.announces_less)


@_quietly
def decode(
    source: Path | bytes,
    *,
    span_s: tuple[int, int] | None = None,
    longest_s: float | None = None,
) -> Audio:
    """Decode a file, or the bytes of one: all that is there, whatever its header says.

    Parameters
    ----------
    source : Path or bytes
        The file.
    span_s : tuple of int, optional
        From and to which second; all of it if not given. A recording that ends within the
        span, as `announced` said or not, gives what it has of it.
    longest_s : float, optional
        How long it may be, in seconds; one that is longer is not decoded, or no further than that,
        whatever its header says.

    Raises
    ------
    AudioError
        The recording is unreadable, empty, not audio, most of it is not there, it is longer than
        `longest_s` or has more than `MOST_VALUES_S` samples a second of that, or it holds samples
        that are not finite. The message says which, not the file's name.
    """
    _refuse_unreadable(source)
    header = examine(source, whole=span_s is None)
    try:
        audio = _libsndfile(source, header, span_s, longest_s=longest_s)
    except sf.SoundFileRuntimeError as error:
        most = None
        if longest_s is not None:
            most = int(longest_s * MOST_VALUES_S)
            span_s = span_s or (0, math.ceil(longest_s) + 1)
        why = _reason(error)
        found = av_decode.decode(source, header, why=why, span_s=span_s, most=most)
        audio = Audio(*found)
    samples = audio.samples
    if len(samples) == 0:
        raise AudioError(NO_SAMPLES)
    if longest_s is not None:
        _refuse_longer(len(samples), audio.sample_rate, samples.shape[1], longest_s)
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).any(axis=1).sum())
        raise AudioError(f"holds {bad} samples that are NaN or infinite")
    return audio


def _refuse_unreadable(source: Path | bytes) -> None:
    if isinstance(source, bytes):
        if not source:
            raise AudioError("empty file")
        return
    try:
        if not source.is_file():
            raise AudioError("not a file" if source.exists() else "no such file")
        if source.stat().st_size == 0:
            raise AudioError("empty file")
        with source.open("rb"):
            pass
    except OSError as error:
        raise AudioError(f"unreadable: {error.strerror or error}") from error


@contextmanager
def _sound_file(source: Path | bytes, header: Header) -> Iterator[sf.SoundFile]:
    """Open what libsndfile reads, but for what it would read as far as it guesses."""
    if isinstance(source, Path) and header.head is None:  # by itself it is quicker
        with sf.SoundFile(str(source)) as file:
            _refuse_unknown_length(file, source)
            yield file
        return
    with opened(source, header) as content, sf.SoundFile(content) as file:
        _refuse_unknown_length(file, source)
        yield file


def _refuse_longer(frames: int, rate_hz: int, channels: int, longest_s: float) -> None:
    if frames > longest_s * rate_hz:
        raise AudioError(f"longer than {longest_s:g} s: send parts of it")
    if frames * channels > longest_s * MOST_VALUES_S:
        raise AudioError(
            f"{channels} channels of {rate_hz} Hz for {frames / rate_hz:.0f} s are too many "
            "samples: send parts of it, or one channel"
        )


def _libsndfile(
    source: Path | bytes,
    header: Header,
    span_s: tuple[int, int] | None,
    *,
    longest_s: float | None = None,
) -> Audio:
    with _sound_file(source, header) as file:
        frames, rate, note = file.frames, file.samplerate, header.note
        if longest_s is not None:
            _refuse_longer(frames, rate, file.channels, longest_s)
        codec = f"{file.format}/{file.subtype}"
        if header.head and len(header.head) > header.start:  # a WAV that announces past 4 GiB now
            codec = codec.replace("RF64", "WAV")
        try:
            samples = _read(file, span_s, frames)
            if span_s is None and frames - len(samples) > ROUNDING_S * rate and not note:
                note = cut_off("it ends before it says", missing=1 - len(samples) / frames)
            return Audio(samples, rate, codec, note)
        except (sf.LibsndfileError, MemoryError) as error:
            if file.format != "FLAC":
                raise AudioError("damaged: it cannot be decoded to its end") from error
    frames, note = _decodable(source, header, frames)
    with _sound_file(source, header) as file:
        try:
            return Audio(_read(file, span_s, frames), rate, codec, note)
        except (sf.LibsndfileError, MemoryError) as error:
            raise AudioError("damaged: it cannot be decoded to its end") from error


def _read(
    file: sf.SoundFile, span_s: tuple[int, int] | None, frames: int
) -> npt.NDArray[np.float32]:
    first, last = 0, frames
    if span_s is not None:
        first, last = (min(at * file.samplerate, frames) for at in span_s)
    if first:
        file.seek(first)
    if file.subtype != "PCM_16":
        return np.asarray(file.read(last - first, dtype="float32", always_2d=True))
    # the same numbers, in a third of libsndfile's time
    whole_numbers = file.read(last - first, dtype="int16", always_2d=True)
    return np.asarray(np.multiply(whole_numbers, STEP_16_BIT, dtype=np.float32))


def _decodable(source: Path | bytes, header: Header, frames: int) -> tuple[int, str]:
    """How many frames of a FLAC file that is cut off can be decoded, and a note of the others."""
    good, bad = 0, frames
    while bad - good > 1:
        middle = (good + bad) // 2
        with _sound_file(source, header) as file:  # one that failed is of no more use
            good, bad = (middle, bad) if _decodes(file, middle) else (good, middle)
    if not good:
        raise AudioError("cut off or damaged: nothing of it can be decoded")
    return good, cut_off("its end cannot be decoded", missing=1 - good / frames)


def _decodes(file: sf.SoundFile, frame: int) -> bool:
    try:
        file.seek(max(0, frame))
        return len(file.read(1)) == 1
    except sf.LibsndfileError:
        return False


def _refuse_unknown_length(file: sf.SoundFile, source: Path | bytes) -> None:
    """Leave to FFmpeg what libsndfile would read as far as it guesses."""
    guessed = file.format == "MP3" and not mpeg_tells_length(source)
    if guessed or file.frames == UNKNOWN_LENGTH:
        raise sf.SoundFileRuntimeError("length not given")


def _reason(error: sf.SoundFileRuntimeError) -> str:
    return str(error).rsplit(": ", 1)[-1].rstrip(".").lower()
