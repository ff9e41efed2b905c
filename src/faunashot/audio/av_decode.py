"""Recordings that libsndfile does not read, by FFmpeg's libraries, which come with PyAV."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from faunashot.audio.headers import Header, cut_off, opened
from faunashot.errors import AudioError

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream
    from av.container import InputContainer

FloatArray = npt.NDArray[np.float32]

DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,matroska,mov,mp3,mpc,"
    "mpc8,mpeg,mpegts,ogg,rm,tak,truehd,tta,voc,w64,wav,wv"
)
"""What FFmpeg may read: no playlists, which name other files."""

LENGTH_GUESSED = {"aac", "ac3", "dts", "eac3", "mp3", "truehd"}
"""Of these, FFmpeg guesses the length from the first bit rate."""

PREROLL_S = 1
"""What is decoded before a span and dropped: a lossy decoder needs a few frames to settle."""

_SAMPLES = {
    "u8": ("u1", 2.0**-7),
    "s16": ("i2", 2.0**-15),
    "s32": ("i4", 2.0**-31),
    "s64": ("i8", 2.0**-63),
    "flt": ("f4", 1.0),
    "dbl": ("f8", 1.0),
}
"""NumPy's type of each sample format of FFmpeg, and what makes full scale 1."""


def decode(
    source: Path | bytes,
    header: Header,
    *,
    why: str,
    span_s: tuple[int, int] | None = None,
    most: int | None = None,
) -> tuple[FloatArray, int, str, str | None]:
    """Decode a file, or the bytes of one, with no temporary file.

    Parameters
    ----------
    source : Path or bytes
        The recording.
    header : Header
        What its header says beside what is there.
    why : str
        What libsndfile said of it.
    span_s : tuple of int, optional
        From and to which second; all of it if not given. Exact to a sample, or to a tick of the
        container's time stamps where frames are of several sizes, as of Vorbis in Matroska.
    most : int, optional
        Samples of all channels after which decoding ends, with at least one more.

    Returns
    -------
    samples : ndarray, shape (frames, channels)
        float32; full scale is 1.
    sample_rate : int
        In Hz.
    codec : str
        Container and codec as FFmpeg names them, in upper case, such as "MOV/AAC".
    note : str or None
        What is missing of it.

    Raises
    ------
    AudioError
        FFmpeg cannot decode it either, or it holds no audio.
    """
    found = None
    if span_s is not None and span_s[0] > PREROLL_S:
        found = _read(source, header, span_s, seek_s=span_s[0] - PREROLL_S, why=why, most=most)
    found = found or _read(source, header, span_s, why=why, most=most)
    if found is None:
        raise AudioError("holds no samples")
    return found


def announced(file: Path, header: Header, *, why: str) -> tuple[float, int] | None:
    """Length in seconds and sample rate in Hz that a container gives; None where it gives none.

    Raises
    ------
    AudioError
        FFmpeg cannot read it either, or it holds no audio.
    """
    with _opened(file, header, why=why) as (container, stream):
        length_s = _length_s(container, stream)
        return (length_s, stream.sample_rate) if length_s > 0 else None


def _length_s(container: InputContainer, stream: AudioStream) -> float:
    """Length that a container gives, 0 where it gives none."""
    if _name(container) in LENGTH_GUESSED:
        return 0.0
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1_000_000


class _File:
    """An open file as PyAV reads it."""

    def __init__(self, file: BinaryIO) -> None:
        self.name = str(getattr(file, "name", ""))
        self.read, self.tell = file.read, file.tell
        self._seek = file.seek

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; -1 where that is not possible.

        A damaged container names such positions, and PyAV would print the exception's traceback.
        """
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1


@contextmanager
def _opened(
    source: Path | bytes, header: Header, *, why: str
) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open the audio of a container; what FFmpeg raises meanwhile becomes an `AudioError`."""
    import av

    failed = f"neither libsndfile ({why}) nor FFmpeg can decode it"
    allowed = {"format_whitelist": DEMUXERS, "protocol_whitelist": "none"}  # opens nothing else
    try:
        with (
            opened(source, header) as file,
            av.open(
                _File(file), "r", container_options=allowed, metadata_errors="replace"
            ) as container,
        ):
            stream = container.streams.best("audio")
            if stream is None:
                raise AudioError("holds no audio")
            if stream.codec_context is None:
                raise AudioError(failed)
            stream.codec_context.thread_count = 1  # recordings are decoded side by side
            yield container, cast("AudioStream", stream)
    except av.FFmpegError as error:
        raise AudioError(failed) from error
    except OSError as error:
        raise AudioError(f"unreadable: {error.strerror or error}") from error


def _read(
    source: Path | bytes,
    header: Header,
    span_s: tuple[int, int] | None,
    *,
    why: str,
    seek_s: int = 0,
    most: int | None = None,
) -> tuple[FloatArray, int, str, str | None] | None:
    """Decode a span; None where there is nothing, or a seek did not lead to before it."""
    samples = bytearray()  # grows in place: a long recording is held once
    rate = channels = stop = 0
    # a float64 past float32 becomes infinite, and is refused as that
    with _opened(source, header, why=why) as (container, stream), np.errstate(over="ignore"):
        codec = f"{_name(container)}/{stream.codec_context.codec.canonical_name}".upper()
        frames = _Frames(container, stream)
        for at, frame in _numbered(container, stream, frames, seek_s=seek_s):
            if not rate:
                rate, channels = frame.sample_rate, frame.layout.nb_channels
                begin, end = (0, None) if span_s is None else (s * rate for s in span_s)
                if at > begin:
                    return None
            if (rate, channels) != (frame.sample_rate, frame.layout.nb_channels):
                raise AudioError("its sample rate or number of channels changes on the way")
            if end is not None and at >= end:
                break
            stop = at + frame.samples
            if stop > begin:
                part = _float32(frame)[max(0, begin - at) : None if end is None else end - at]
                samples += part.tobytes()
                if most is not None and len(samples) > most * part.itemsize:
                    break
        announced_s = _length_s(container, stream)
    if not rate:
        if frames.cut_off:
            raise AudioError("cut off or damaged: nothing of it can be decoded")
        return None
    note = header.note
    if frames.cut_off and note is None:
        missing = max(0.0, 1 - stop / rate / announced_s) if announced_s else 0.0
        note = cut_off("its end cannot be decoded", missing=missing)
    return np.frombuffer(samples, np.float32).reshape(-1, channels), rate, codec, note


def _numbered(
    container: InputContainer, stream: AudioStream, decoded: _Frames, *, seek_s: int
) -> Iterator[tuple[int, AudioFrame]]:
    """Yield frames from about a second on, with the number of the first sample of each.

    Yields none where the container cannot seek, or does not say where a seek led to.
    """
    import av

    frames = decoded()
    frame, at = next(frames, None), 0
    if seek_s and frame and frame.pts is not None and frame.time_base:
        begins, after, tick_s = frame.pts, frame.samples, frame.time_base
        second = next(frames, None)
        size = second.samples if second else 1
        frames.close()
        try:
            container.seek(begins + int(seek_s / tick_s), stream=stream)
        except av.FFmpegError:
            return
        frames = decoded()
        frame = next(frames, None)
        if frame is None or frame.pts is None:
            return
        at = round((frame.pts - begins) * tick_s * frame.sample_rate)
        # time stamps in milliseconds, as Matroska's, are exact where all frames are of one size
        whole = after + round((at - after) / size) * size
        if abs(whole - at) <= tick_s * frame.sample_rate:
            at = whole
    while frame is not None:
        yield at, frame
        at += frame.samples
        frame = next(frames, None)


class _Frames:
    """Frames of a stream up to where it is cut off; damage that is followed by more is refused."""

    def __init__(self, container: InputContainer, stream: AudioStream) -> None:
        self.container, self.stream = container, stream
        self.cut_off = False

    def __call__(self) -> Generator[AudioFrame]:
        """From where the container was sought to."""
        import av

        for packet in self.container.demux(self.stream):
            if not packet.size and packet.dts is not None:
                continue  # it is empty, and would end the decoder; the one without a time is to
            try:
                for frame in packet.decode():
                    if packet.is_corrupt or frame.is_corrupt:
                        self.cut_off = True
                        continue
                    if self.cut_off and packet.size:  # not what the decoder held back
                        raise AudioError("damaged: it cannot be decoded to its end")
                    yield frame
            except av.FFmpegError:
                self.cut_off = True


def _float32(frame: AudioFrame) -> FloatArray:
    """Samples of a frame, shape (frames, channels), as FFmpeg's own conversion scales them."""
    dtype, unit = _SAMPLES[frame.format.packed.name]
    planes = frame.planes if frame.format.is_planar else frame.planes[:1]
    count = frame.samples * frame.layout.nb_channels // len(planes)
    each = [np.frombuffer(memoryview(plane), dtype, count) for plane in planes]
    coded = each[0].reshape(frame.samples, -1) if len(each) == 1 else np.stack(each, axis=1)
    samples = coded.astype(np.float32)
    if dtype == "u1":
        samples -= 128
    if unit != 1:
        samples *= np.float32(unit)
    return samples


def _name(container: InputContainer) -> str:
    """Return the first of the names that FFmpeg gives a container, such as "mov,mp4,m4a"."""
    return container.format.name.split(",")[0]
