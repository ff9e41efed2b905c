"""What a model says of a recording, as the page shows it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from faunashot.app.training_clips import TrainingClips
from faunashot.audio.decode import Audio, decode
from faunashot.detection.events import EventFinder
from faunashot.detection.settings import DetectionSettings
from faunashot.errors import AudioError
from faunashot.recogniser import Recogniser, Recognition, WindowScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_S = 1800.0
"""Seconds of the longest recording that the page takes; `faunashot detect` takes longer ones."""

SHOWN = 6
"""Classes whose probability over time is drawn, the most probable ones."""


@dataclass(frozen=True)
class Analysis:
    """What a model says of a recording.

    Attributes
    ----------
    audio : Audio
    recognition : Recognition
        Of all of it.
    windows : WindowScores
    events : DataFrame
        As `faunashot.detection.events.EventFinder` finds them.
    nearest : DataFrame or None
        Clips that the model learned from, as `TrainingClips.nearest` gives them.
    """

    audio: Audio
    recognition: Recognition
    windows: WindowScores
    events: pd.DataFrame
    nearest: pd.DataFrame | None


def analyse(
    recogniser: Recogniser,
    content: bytes,
    *,
    settings: DetectionSettings,
    training_clips: TrainingClips | None = None,
) -> Analysis:
    """Recognise a recording as a whole and window by window, and find its events.

    Raises
    ------
    AudioError
        It cannot be decoded, nothing can be heard in it, or it is longer than `LONGEST_S`.
    """
    audio = decode(content)
    if audio.duration_s > LONGEST_S:
        raise AudioError(
            f"it is {audio.duration_s / 60:.0f} minutes long, and this page takes up to "
            f"{LONGEST_S / 60:.0f}: `faunashot detect` takes any length"
        )
    recognition = recogniser.recognise(content)
    views = recogniser.views(content)
    windows = recogniser.score_windows(*views)
    unknown = recogniser.record.unknown
    found = EventFinder(
        recogniser.classes,
        settings.of_classes(recogniser.record),
        settings,
        unknown_threshold=None if unknown is None else unknown.threshold,
    )
    found.add(windows)
    nearest = None if training_clips is None else training_clips.nearest(views[0])
    return Analysis(audio, recognition, windows, found.finish(), nearest)


def figure_of(analysis: Analysis, classes: list[str], *, fmax_hz: float | None = None) -> Figure:
    """Spectrogram, events, and the probability of the likeliest classes over time."""
    from faunashot.evaluation.plot_style import COLOURS, GRID, INK, LEGEND, new_figure, plain

    figure = new_figure(10, 5.6)
    heights = {"height_ratios": [3, 0.45, 2]}
    sound, events, scores = figure.subplots(3, 1, sharex=True, gridspec_kw=heights)
    draw_sound(sound, analysis.audio, fmax_hz=fmax_hz)
    windows = analysis.windows
    order = windows.scores.max(axis=0).argsort()[::-1][:SHOWN]
    colours = {classes[at]: COLOURS[i % len(COLOURS)] for i, at in enumerate(order)}
    for event in analysis.events.to_dict("records"):
        start_s, end_s, label = event["start_s"], event["end_s"], event["label"]
        events.axvspan(start_s, end_s, facecolor=colours.get(label, INK), edgecolor="white")
        at = ((start_s + end_s) / 2, 0.5)
        events.text(*at, label, ha="center", va="center", color="white", clip_on=True)
    events.set(yticks=[], ylabel="events", ylim=(0, 1))
    middle = (windows.start_s + windows.end_s) / 2
    for at in order:
        scores.plot(
            middle, windows.scores[:, at], "o-", ms=3, color=colours[classes[at]], label=classes[at]
        )
    scores.set(ylim=(-0.02, 1.02), ylabel="probability", xlabel="seconds")
    scores.grid(axis="y", color=GRID)
    for axes in (sound, events, scores):
        plain(axes)
    scores.legend(**LEGEND, ncols=SHOWN, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def draw_sound(
    axes: Axes, audio: Audio, *, begin_s: float = 0.0, fmax_hz: float | None = None
) -> None:
    """Draw the spectrogram of the mean of the channels, of audio from `begin_s` on."""
    from faunashot.audio.spectrogram import spectrogram

    shown = spectrogram(audio.mono(), audio.sample_rate, fmax_hz=fmax_hz)
    extent = (begin_s, begin_s + audio.duration_s, 0, shown.fmax_hz / 1000)
    axes.imshow(shown.db, origin="lower", aspect="auto", extent=extent, cmap="magma")
    axes.set_ylabel("kHz")


def png_of(figure: Figure) -> bytes:
    """A figure as the content of a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
