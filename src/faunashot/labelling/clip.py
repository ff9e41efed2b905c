"""What a person is shown of an item: its sound, and its spectrogram with what lies around it."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np

from faunashot.audio.decode import Audio
from faunashot.audio.encode import as_wav
from faunashot.audio.excerpt import excerpt
from faunashot.audio.spectrogram import RANGE_DB, spectrogram
from faunashot.audio.usable import unusable
from faunashot.errors import AudioError
from faunashot.labelling.items import Item

PLAYED_PEAK = 0.7
"""Level that the loudest sample is played at: many recordings of animals are too quiet to judge."""

LONGEST_S = 120.0
"""Seconds that are shown of a longer item."""


@dataclass(frozen=True)
class Context:
    """The audio of an item, with what lies around it.

    Attributes
    ----------
    audio : Audio
        From `begin_s` of the recording on.
    begin_s : float
    start_s, end_s : float
        The item in the recording.
    """

    audio: Audio
    begin_s: float
    start_s: float
    end_s: float

    @property
    def own(self) -> Audio:
        """The item alone."""
        rate = self.audio.sample_rate
        first, last = (round((at - self.begin_s) * rate) for at in (self.start_s, self.end_s))
        return replace(self.audio, samples=self.audio.samples[first:last])


def in_context(item: Item, *, context_s: float) -> Context:
    """Decode an item and up to `context_s` seconds on each side of it.

    Raises
    ------
    AudioError
        The recording cannot be decoded, ends before the item, or nothing can be heard in the item.
    """
    audio, begin_s = excerpt(item.file, item.start_s, item.end_s, context_s=context_s)
    end_s = min(
        begin_s + audio.duration_s, item.start_s + LONGEST_S if item.end_s is None else item.end_s
    )
    found = Context(audio, begin_s, item.start_s, end_s)
    if reason := unusable(found.own):
        raise AudioError(reason)
    return found


def wav(context: Context) -> bytes:
    """Content of a WAV file of the item and what lies around it, at `PLAYED_PEAK`."""
    samples = context.audio.samples
    peak = float(np.abs(samples).max()) or 1.0
    return as_wav(samples * np.float32(PLAYED_PEAK / peak), context.audio.sample_rate)


def spectrogram_png(context: Context, *, fmax_hz: float | None = None) -> bytes:
    """Spectrogram of the item and what lies around it, which is darker; the mean of the channels.

    Parameters
    ----------
    context : Context
    fmax_hz : float, optional
        Upper end of the picture; half the sample rate if not given.

    Returns
    -------
    bytes
        A PNG without axes, which the page draws: time from left to right.
    """
    from matplotlib.image import imsave

    found = spectrogram(context.audio.mono(), context.audio.sample_rate, fmax_hz=fmax_hz)
    picture = 1 + found.db / RANGE_DB
    at_s = context.begin_s + np.arange(picture.shape[1]) * found.hop_s
    around = (at_s < context.start_s) | (at_s > context.end_s)
    picture[:, around] *= 0.5
    file = io.BytesIO()
    imsave(file, picture, cmap="magma", origin="lower", vmin=0, vmax=1, format="png")
    return file.getvalue()
