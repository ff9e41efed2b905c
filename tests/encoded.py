"""Recordings in the formats that libsndfile does not write, by FFmpeg's libraries in PyAV."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CODECS = {
    ".aac": "aac",
    ".ac3": "ac3",
    ".m4a": "aac",
    ".mka": "aac",
    ".mp3": "libmp3lame",
    ".opus": "libopus",
    ".webm": "libopus",
    ".wma": "wmav2",
}
"""The codec that is used for a file of each suffix, unless another is asked for."""

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def write(
    path: Path,
    samples: np.ndarray,
    rate_hz: int,
    *,
    codec: str | None = None,
    options: dict[str, str] | None = None,
    title: str = "",
) -> Path:
    """Write samples, shape (n,) or (n, channels), as the container that the file's name says."""
    samples = np.asarray(samples, dtype=np.float32)
    samples = samples if samples.ndim == 2 else samples[:, None]
    layout = LAYOUTS[samples.shape[1]]
    codec = codec or CODECS[path.suffix]
    coded_hz = 48_000 if codec == "libopus" else rate_hz  # its own rate
    with av.open(str(path), "w", container_options=options or {}) as container:
        if title:
            container.metadata["title"] = title
        kinds = [kind.name for kind in av.Codec(codec, "w").audio_formats]
        kind = next((kind for kind in kinds if kind.startswith("s16")), kinds[0])
        stream = container.add_stream(codec, rate=coded_hz, layout=layout, bit_rate=128_000)
        stream.codec_context.format = kind
        container.start_encoding()  # even where there are no samples
        resampler = av.AudioResampler(kind, layout, coded_hz)
        for at in range(0, len(samples), 4_096):
            part = np.ascontiguousarray(samples[at : at + 4_096]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, "flt", layout)
            frame.rate, frame.pts, frame.time_base = rate_hz, at, Fraction(1, rate_hz)
            for ready in resampler.resample(frame):
                container.mux(stream.encode(ready))
        for ready in resampler.resample(None):
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))
    return path


def remux(content: bytes, path: Path) -> Path:
    """Put what a container holds into another."""
    with av.open(io.BytesIO(content)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return path


def write_film(path: Path) -> Path:
    """Write a few pictures without sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        for _ in range(5):
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
