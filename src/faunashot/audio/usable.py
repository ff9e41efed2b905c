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
    low, high = samples.min(axis=0), samples.max(axis=0)
    if (low == high).all():
        return _silent(f"{SILENT}: every sample is", samples[0])
    peak = max(-float(low.min()), float(high.max()))
    if peak <= 1 and high.max() - low.min() > OVERFLOW_STEP:
        inside = np.abs(samples) < FULL_SCALE  # what is clipped jumps, too, but from end to end
        jumps = np.abs(np.diff(samples, axis=0)) > OVERFLOW_STEP
        if float((jumps & inside[1:] & inside[:-1]).mean()) > OVERFLOW_SHARE:
            return "overflow: it was too loud for its format, and its samples wrapped around"
    if samples.shape[1] == 1:
        return None
    mono = audio.mono(channel)
    if mono.min() == mono.max() and channel != "mix":
        return _silent(f"its channel {channel} is silent: every sample is", mono[:1])
    if channel == "mix":
        loudest_db = max(level_db(centred(samples[:, at])) for at in range(samples.shape[1]))
        below_db = loudest_db - level_db(centred(mono))
        if below_db > CANCELLED_DB:
            return (
                f"its channels cancel each other out: their mean lies {below_db:.0f} dB under "
                "them; read one of them, as with channel=left"
            )
    return None


def _silent(what: str, first: np.ndarray) -> str:
    return f"{what} {' or '.join(f'{value:.3g}' for value in np.unique(first))}"
