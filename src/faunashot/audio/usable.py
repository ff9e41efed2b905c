"""Whether there is anything to hear in a recording: one rule for all who read recordings."""

from __future__ import annotations

import numpy as np

from faunashot.audio.decode import Audio
from faunashot.audio.levels import FULL_SCALE, centred, level_db
from faunashot.audio.reading import Channel

SHORTEST_S = 0.01
SILENT = "digital silence"

CANCELLED_DB = 20.0
"""Channels cancel each other out where their mean lies this far under the loudest of them."""

OVERFLOW_STEP, OVERFLOW_SHARE = 1.5, 0.025
"""A sound that was too loud and wrapped around jumps from one end of the scale to the other. Of
noise that is nothing else, one step in sixteen goes over this much of the scale, which has a height
of 2; of the loudest recordings of animals that were looked at, one in a hundred."""


def unusable(audio: Audio, *, channel: Channel = "mix", whole: bool = True) -> str | None:
    """Say why nothing can be heard in a recording; None where something can.

    Parameters
    ----------
    audio : Audio
        The recording, or a part of it.
    channel : str
        What of it is listened to.
    whole : bool
        Whether it is all of the recording: a part may be as short as it likes.
    """
    samples, rate = audio.samples, audio.sample_rate
    if whole and audio.duration_s < SHORTEST_S:
        return f"too short: {len(samples)} samples at {rate} Hz, under {SHORTEST_S * 1000:.0f} ms"
    low, high = float(samples.min()), float(samples.max())
    if low == high:
        return f"{SILENT}: every sample is {low:.3g}"
    if max(-low, high) <= 1 and high - low > OVERFLOW_STEP and _overflows(samples):
        return "overflow: it was too loud for its format, and its samples wrapped around"
    if samples.shape[1] == 1:
        return None
    mono = audio.mono(channel)
    if channel == "mix":
        loudest_db = max(level_db(centred(samples[:, at])) for at in range(samples.shape[1]))
        below_db = loudest_db - level_db(centred(mono))
        if below_db > CANCELLED_DB:
            return (
                f"its channels cancel each other out: their mean lies {below_db:.0f} dB under "
                "them; read one of them (audio.channel=left, or embed --channel left)"
            )
    if mono.min() == mono.max():
        return f"{SILENT} in channel {channel}: every sample is {mono[0]:.3g}"
    return None


def _overflows(samples: np.ndarray) -> bool:
    inside = np.abs(samples) < FULL_SCALE  # what is clipped jumps, too, but from end to end
    jumps = np.abs(np.diff(samples, axis=0)) > OVERFLOW_STEP
    return float((jumps & inside[1:] & inside[:-1]).mean()) > OVERFLOW_SHARE
