"""Recordings that libsndfile does not read, through the program ffmpeg where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faunashot.errors import AudioError

TIMEOUT_S = 120.0
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,matroska,mov,mp3,mpc,"
    "mpc8,mpeg,mpegts,ogg,rm,tak,truehd,tta,voc,w64,wav,wv"
)
"""What ffmpeg may read: no playlists, which name other files."""


def convert(source: Path | bytes, *, why: str, span_s: tuple[int, int] | None = None) -> bytes:
    """Decode to float32 in an AU container, which may be written into a pipe.

    Parameters
    ----------
    source : a file, or the bytes of one.
    why : what libsndfile said of it.
    span_s : from and to which second; all of it if not given.

    Raises
    ------
    AudioError
        There is no ffmpeg, or it cannot decode this either.
    """
    part = [] if span_s is None else ["-t", str(span_s[1] - span_s[0])]
    if span_s is not None and span_s[0]:  # a seek to 0 would drop the first frame of some codecs
        part += ["-ss", str(span_s[0])]
    output = ["-vn", "-c:a", "pcm_f32be", "-f", "au", "pipe:1"]
    with _as_file(source) as file:
        done = _run(["-v", "error", "-xerror", *part], file, output, why=why)
    if done.returncode:
        raise AudioError(f"neither libsndfile ({why}) nor ffmpeg can decode it")
    if b"ended prematurely" in done.stderr:  # all that is said of a cut-off Matroska file
        raise AudioError("cut off: it ends before its container does")
    return done.stdout


def announced(file: Path, *, why: str) -> tuple[float, int] | None:
    """Length in seconds and sample rate in Hz that a container gives, or None.

    Raises
    ------
    AudioError
        There is no ffmpeg.
    """
    said = _run(["-hide_banner"], file, [], why=why).stderr.decode("utf-8", "replace")
    length = re.search(r"Duration: (\d+):(\d\d):(\d\d\.\d+)", said)
    rate = re.search(r"Audio: .*?(\d+) Hz", said)
    if not length or not rate or "Estimating duration" in said:
        return None
    hours, minutes, seconds = length.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds), int(rate[1])


def is_here() -> bool:
    """Whether there is a program ffmpeg."""
    return shutil.which("ffmpeg") is not None


def _run(
    options: list[str], file: Path, output: list[str], *, why: str
) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ffmpeg")
    if program is None:
        raise AudioError(f"not a format that libsndfile reads ({why}), and no ffmpeg to try")
    safe = ["-nostdin", "-protocol_whitelist", "file", "-format_whitelist", DEMUXERS]
    command = [program, *safe, *options, "-i", f"file:{file}", *output]
    try:
        return subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.SubprocessError as error:
        raise AudioError(f"neither libsndfile ({why}) nor ffmpeg can decode it") from error


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
