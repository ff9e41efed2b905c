"""Recordings to samples: what libsndfile reads, then ffmpeg for the rest."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile as sf

from faunashot.audio.headers import missing_bytes
from faunashot.errors import AudioError

FFMPEG_TIMEOUT_S = 120.0


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
    try:
        samples, rate, codec = _libsndfile(source)
    except (sf.LibsndfileError, RuntimeError) as error:
        samples, rate, codec = _ffmpeg(source, first=str(error))
    lost = missing_bytes(source)
    if lost:
        raise AudioError(f"cut off: {lost} bytes of audio that its header announces are not there")
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
            raise AudioError("no such file")
        if source.stat().st_size == 0:
            raise AudioError("empty file")
        with source.open("rb"):
            pass
    except OSError as error:
        raise AudioError(f"unreadable: {error.strerror or error}") from error


def _libsndfile(source: Path | bytes) -> tuple[npt.NDArray[np.float32], int, str]:
    file = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    with sf.SoundFile(file) as opened:
        samples = opened.read(dtype="float32", always_2d=True)
        return samples, opened.samplerate, f"{opened.format}/{opened.subtype}"


def _ffmpeg(source: Path | bytes, *, first: str) -> tuple[npt.NDArray[np.float32], int, str]:
    """Decode through ffmpeg; it may open the one file or pipe, no playlist's URLs or paths."""
    reason = first.rsplit(": ", 1)[-1].rstrip(".").lower()
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(f"not a format that libsndfile reads ({reason}), and no ffmpeg to try")
    name = "pipe:0" if isinstance(source, bytes) else f"file:{source}"
    allowed = "pipe" if isinstance(source, bytes) else "file"
    command = [program, "-v", "error", "-nostdin", "-protocol_whitelist", allowed, "-i", name]
    command += ["-vn", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    if isinstance(source, bytes):
        command.remove("-nostdin")
    try:
        done = subprocess.run(
            command,
            input=source if isinstance(source, bytes) else None,
            capture_output=True,
            timeout=FFMPEG_TIMEOUT_S,
            check=True,
        )
        samples, rate, _ = _libsndfile(done.stdout)
    except (subprocess.SubprocessError, sf.LibsndfileError) as error:
        raise AudioError(f"neither libsndfile ({reason}) nor ffmpeg can decode it") from error
    return samples, rate, "ffmpeg"


@contextmanager
def quiet_native() -> Iterator[None]:
    """Drop what native libraries (libmpg123, TensorFlow) print to standard error; ours shows."""
    sys.stderr.flush()
    kept = os.dup(2)
    ours = os.fdopen(os.dup(2), "w", buffering=1)
    before = sys.stderr
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
    sys.stderr = ours
    try:
        yield
    finally:
        sys.stderr = before
        os.dup2(kept, 2)
        os.close(kept)
        ours.close()
