"""Recordings to samples: what libsndfile reads, then FFmpeg's libraries for the rest."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
import numpy.typing as npt
import soundfile as sf

from faunashot.audio import av_decode
from faunashot.audio.headers import cut_off, mpeg_tells_length
from faunashot.errors import AudioError

_KINDS = "aac ac3 aif aifc aiff amr ape au caf flac m4a mka mp3 mp4 oga ogg opus rf64 snd tta w64"
_SUFFIXES = {f".{kind}" for kind in [*_KINDS.split(), "wav", "wave", "webm", "wma", "wv"]}

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
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    codec: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    def mono(self) -> npt.NDArray[np.float32]:
        """Mean over the channels, shape (frames,)."""
        if self.samples.shape[1] == 1:
            return self.samples[:, 0]
        return np.asarray(self.samples.mean(axis=1, dtype=np.float64), dtype=np.float32)


def recordings_in(folder: Path) -> list[Path]:
    """Files in a folder, and in those within it, that are named as recordings; sorted.

    What is hidden is none, neither a file such as the ``._owl.wav`` that macOS leaves beside
    ``owl.wav``, nor what lies in a hidden folder.
    """
    named = (file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)
    shown = (
        file
        for file in named
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )
    return sorted(file for file in shown if not file.is_dir())


@dataclass(frozen=True)
class Announced:
    """What a recording's header says of it, before any of it is decoded.

    Attributes
    ----------
    duration_s : float
        Length in seconds of what is there; of some formats an estimate.
    sample_rate : int
        In Hz.
    cut_off : str or None
        What is not there of what the header announces.
    """

    duration_s: float
    sample_rate: int
    cut_off: str | None


def announced(source: Path) -> Announced | None:
    """Read a recording's header; None where its format does not say how long it is.

    Raises
    ------
    AudioError
        The recording is unreadable, empty or not audio.
    """
    _refuse_unreadable(source)
    try:
        with sf.SoundFile(str(source)) as opened:
            _refuse_unknown_length(opened, source)
            length_s, rate = opened.frames / opened.samplerate, opened.samplerate
    except sf.SoundFileRuntimeError as error:
        found = av_decode.announced(source, why=_reason(error))
        if found is None:
            return None
        length_s, rate = found
    return Announced(length_s, rate, cut_off(source))


def decode(source: Path | bytes, *, span_s: tuple[int, int] | None = None) -> Audio:
    """Decode a file, or the bytes of one.

    Parameters
    ----------
    source : Path or bytes
        The file.
    span_s : tuple of int, optional
        From and to which second; all of it if not given. A recording that ends within the
        span, as `announced` said or not, gives what it has of it.

    Raises
    ------
    AudioError
        The recording is unreadable, empty, cut off, not audio, or holds samples that are not
        finite. The message says which, not the file's name.
    """
    _refuse_unreadable(source)
    if span_s is None and (missing := cut_off(source)):
        raise AudioError(f"cut off: {missing}")
    try:
        samples, rate, codec = _libsndfile(source, span_s)
    except sf.SoundFileRuntimeError as error:
        samples, rate, codec = av_decode.decode(source, why=_reason(error), span_s=span_s)
    if len(samples) == 0:
        raise AudioError("holds no samples")
    if not np.isfinite(samples).all():
        bad = int((~np.isfinite(samples)).any(axis=1).sum())
        raise AudioError(f"holds {bad} samples that are NaN or infinite")
    return Audio(samples, rate, codec)


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


def _libsndfile(
    source: Path | bytes, span_s: tuple[int, int] | None
) -> tuple[npt.NDArray[np.float32], int, str]:
    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    with sf.SoundFile(file) as opened:
        _refuse_unknown_length(opened, source)
        first, last = 0, opened.frames
        if span_s is not None:
            first, last = (min(at * opened.samplerate, opened.frames) for at in span_s)
        try:
            if first:
                opened.seek(first)
            samples = opened.read(last - first, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise AudioError("cut off or damaged: it cannot be decoded to its end") from error
        return samples, opened.samplerate, f"{opened.format}/{opened.subtype}"


def _refuse_unknown_length(opened: sf.SoundFile, source: Path | bytes) -> None:
    """Leave to FFmpeg what libsndfile would read as far as it guesses."""
    guessed = opened.format == "MP3" and not mpeg_tells_length(source)
    if guessed or opened.frames == UNKNOWN_LENGTH:
        raise sf.SoundFileRuntimeError("length not given")


def _reason(error: sf.SoundFileRuntimeError) -> str:
    return str(error).rsplit(": ", 1)[-1].rstrip(".").lower()


@contextmanager
def quiet_native() -> Iterator[None]:
    """Drop what native libraries (libmpg123, TensorFlow) print to standard error; ours shows."""
    sys.stderr.flush()
    before = sys.stderr
    kept = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    shown = _PassedOn(kept if _writes_to_2(before) else before)
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    sys.stderr = cast("TextIO", shown)
    try:
        yield
    finally:
        sys.stderr = shown.stream = before
        kept.flush()
        os.dup2(kept.fileno(), 2)
        kept.close()


def _writes_to_2(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except OSError:  # it is no file
        return False


class _PassedOn:
    """A stream that passes on to another: a logger made on it outlives the first one's end."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
