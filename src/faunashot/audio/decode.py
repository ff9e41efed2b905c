"""Recordings to samples: what libsndfile reads, then ffmpeg for the rest."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
import numpy.typing as npt
import soundfile as sf

from faunashot.audio.headers import cut_off
from faunashot.errors import AudioError

FFMPEG_TIMEOUT_S = 120.0
FFMPEG_DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,matroska,mov,mp3,mpc,"
    "mpc8,mpeg,mpegts,ogg,rm,tak,truehd,tta,voc,w64,wav,wv"
)
"""What ffmpeg may read: no playlists, which name other files."""

UNKNOWN_LENGTH = 2**63 - 1
"""Frames that libsndfile gives a FLAC stream whose header has no length, which it cannot read."""


@dataclass(frozen=True)
class Audio:
    """A decoded recording.

    Attributes
    ----------
    samples : float32, shape (frames, channels), finite, at least one frame.
    sample_rate : in Hz.
    codec : container and sample format, such as "WAV/PCM_16".
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


def decode(source: Path | bytes) -> Audio:
    """Decode a file, or the bytes of one.

    Raises
    ------
    AudioError
        The recording is unreadable, empty, cut off, not audio, or holds samples that are not
        finite. The message says which, not the file's name.
    """
    _refuse_unreadable(source)
    missing = cut_off(source)
    if missing:
        raise AudioError(f"cut off: {missing}")
    try:
        samples, rate, codec = _libsndfile(source)
    except sf.SoundFileRuntimeError as error:
        samples, rate, codec = _ffmpeg(source, first=str(error))
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


def _libsndfile(source: Path | bytes) -> tuple[npt.NDArray[np.float32], int, str]:
    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    with sf.SoundFile(file) as opened:
        if opened.frames == UNKNOWN_LENGTH:
            raise sf.SoundFileRuntimeError("length not given")
        try:
            samples = opened.read(opened.frames, dtype="float32", always_2d=True)
        except sf.LibsndfileError as error:
            raise AudioError("cut off or damaged: it cannot be decoded to its end") from error
        return samples, opened.samplerate, f"{opened.format}/{opened.subtype}"


def _ffmpeg(source: Path | bytes, *, first: str) -> tuple[npt.NDArray[np.float32], int, str]:
    reason = first.rsplit(": ", 1)[-1].rstrip(".").lower()
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(f"not a format that libsndfile reads ({reason}), and no ffmpeg to try")
    command = [program, "-v", "error", "-nostdin", "-xerror"]
    command += ["-protocol_whitelist", "file", "-format_whitelist", FFMPEG_DEMUXERS]
    try:
        with _as_file(source) as file:
            command += ["-i", f"file:{file}", "-vn", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
            done = subprocess.run(
                command, capture_output=True, timeout=FFMPEG_TIMEOUT_S, check=True
            )
        samples, rate, _ = _libsndfile(done.stdout)
    except (subprocess.SubprocessError, sf.LibsndfileError) as error:
        raise AudioError(f"neither libsndfile ({reason}) nor ffmpeg can decode it") from error
    if b"ended prematurely" in done.stderr:  # all that is said of a cut-off Matroska file
        raise AudioError("cut off: it ends before its container does")
    return samples, rate, "ffmpeg"


@contextmanager
def _as_file(source: Path | bytes) -> Iterator[Path]:
    """Give bytes a file: ffmpeg has to seek in MP4, and cannot in a pipe."""
    if isinstance(source, Path):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="faunashot-") as folder:
        file = Path(folder) / "recording"
        file.write_bytes(source)
        yield file


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
