"""A part of a recording with what lies around it, to be listened to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from faunashot.audio.decode import Audio, announced, decode
from faunashot.errors import AudioError


class Excerpt(NamedTuple):
    """A part of a recording.

    Attributes
    ----------
    audio : Audio
    begin_s : float
        Where it begins in the recording.
    """

    audio: Audio
    begin_s: float


def excerpt(
    file: Path, start_s: float, end_s: float | None = None, *, context_s: float = 0.0
) -> Excerpt:
    """Decode a part of a recording, to the sample, and what is before and after it.

    Parameters
    ----------
    file : Path
        Of the recording, of which no more is decoded than is needed.
    start_s, end_s : float
        The part, in seconds; all of the recording where no end is given.
    context_s : float
        So much is added on each side, as far as the recording goes.

    Raises
    ------
    AudioError
        The recording cannot be decoded, or ends before the part begins.
    """
    header = announced(file)
    if header is not None and start_s >= header.duration_s:
        raise AudioError(f"it is {header.duration_s:g} s long and ends before {start_s:g} s")
    if end_s is None:
        return Excerpt(decode(file), 0.0)
    first_s, last_s = max(0.0, start_s - context_s), end_s + context_s
    second = math.floor(first_s)
    audio = decode(file, span_s=(second, math.ceil(last_s)))
    rate = audio.sample_rate
    begin, end = (round((at_s - second) * rate) for at_s in (first_s, last_s))
    return Excerpt(replace(audio, samples=audio.samples[begin:end]), second + begin / rate)
