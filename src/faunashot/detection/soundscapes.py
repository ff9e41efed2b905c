"""Soundscapes with ground truth: clips mixed into background, and tables of where they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile as sf

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.formats.base import RecordingInfo
from faunashot.annotations.table import as_table
from faunashot.audio.decode import decode
from faunashot.audio.mixing import (
    PlacedSound,
    Samples,
    Sound,
    background_of,
    mixed,
    synthetic_background,
)
from faunashot.audio.synth import CLASSES, Place, arriving
from faunashot.audio.voices import Scene
from faunashot.data.corpora import create
from faunashot.download import new_folder
from faunashot.errors import AudioError, ParameterError
from faunashot.files import write_atomically
from faunashot.progress import progress

AUDIO, TABLE, RAVEN_TABLE, FACTS = (
    "audio", "annotations.csv", "annotations.selections.txt", "soundscapes.json",
)  # fmt: skip
FURTHER = ("event", "snr_db", "clip")
"""Columns behind those of every table of events: which spans are of one clip, how far it lies above
the background, and which clip it is."""

WAV_BYTES = 2**32 - 2**16
VOICES, VOICE_S = 20, (3.0, 5.0)
"""Synthetic individuals of each class, and how long they are recorded."""

KEPT = 64
"""Sounds that are kept in memory."""


@dataclass(frozen=True)
class SoundscapeSettings:
    """What soundscapes are like.

    Attributes
    ----------
    files : int
        How many recordings.
    minutes : float
        Length of each.
    per_minute : float
        Clips mixed in.
    snr_db : tuple of float
        Of which each clip has one, as often as any other.
    overlap : bool
        Whether clips may overlap.
    apart_s : float
        Between two clips that may not.
    gap_s : float
        Pauses up to that within a clip do not part its annotation.
    rate_hz : int
    seed : int
    """

    files: int = 1
    minutes: float = 10.0
    per_minute: float = 4.0
    snr_db: tuple[float, ...] = (20.0, 10.0, 5.0, 0.0)
    overlap: bool = False
    apart_s: float = 1.0
    gap_s: float = 1.0
    rate_hz: int = 32_000
    seed: int = 42

    def check(self) -> None:
        """Raise `ParameterError` where a number is out of its range."""
        if self.files < 1 or self.seed < 0 or not self.minutes > 0 or not self.per_minute > 0:
            raise ParameterError("soundscapes need a file, a length and clips a minute above 0")
        if not self.snr_db or not np.isfinite(self.snr_db).all():
            raise ParameterError("soundscapes need signal-to-noise ratios in dB, such as 20,10,5,0")


class SourceClip(NamedTuple):
    """A clip that may be mixed in.

    Attributes
    ----------
    name : str
        By which the tables call it.
    label : str
    read : callable
        Gives mono samples and their rate in Hz; raises `AudioError`.
    """

    name: str
    label: str
    read: Callable[[], tuple[Samples, int]]


@dataclass
class MadeSoundscapes:
    """What was made: annotations as a table of events with `FURTHER`, and clips left out."""

    annotations: pd.DataFrame
    problems: list[tuple[str, str]] = field(default_factory=list)


def corpus_clips(
    root: Path, *, corpus: str = "folder", folds: Sequence[str] = (), classes: Sequence[str] = ()
) -> list[SourceClip]:
    """Clips of a corpus, of some of its folds and classes if these are given.

    Raises
    ------
    CorpusError, ParameterError
        It is not there, or has no such fold or class.
    """
    options: dict[str, Any] = {"classes": list(classes)} if classes else {}
    read = create(corpus, **options)
    found = [clip for clip in read.clips(root) if clip.label]
    known = {clip.fold for clip in found if clip.fold is not None}
    for fold in folds:
        if fold not in known:
            raise ParameterError.unknown("--fold", fold, known or {"none, as it has no folds"})

    def reader(path: Path) -> Callable[[], tuple[Samples, int]]:
        def of_file() -> tuple[Samples, int]:
            audio = decode(path)
            return audio.mono(), audio.sample_rate

        return of_file

    return [
        SourceClip(clip.clip_id, clip.label, reader(root / clip.path))
        for clip in found
        if not folds or clip.fold in folds
    ]


def synthetic_clips(*, seed: int, rate_hz: int) -> list[SourceClip]:
    """Voices of synthetic animals, each at a drawn distance."""

    def speaker(label: str, kind: int, number: int) -> Callable[[], tuple[Samples, int]]:
        def of_voice() -> tuple[Samples, int]:
            who, now = (np.random.default_rng([seed, kind, number, part]) for part in (1, 2))
            scene = Scene(who, now, round(now.uniform(*VOICE_S) * rate_hz), rate_hz)
            return np.asarray(arriving(label, scene, Place.drawn(who)), np.float32), rate_hz

        return of_voice

    return [
        SourceClip(f"{label}-{number:02d}", label, speaker(label, kind, number))
        for kind, label in enumerate(CLASSES)
        for number in range(VOICES)
    ]


def make_soundscapes(
    out: Path,
    clips: Sequence[SourceClip],
    settings: SoundscapeSettings,
    *,
    background: Sequence[Path] = (),
    facts: Mapping[str, Any] | None = None,
) -> MadeSoundscapes:
    """Write recordings with clips in them, and where these are.

    The same clips, background and settings but for the ratios give the same clips at the same
    times in the same background, so that ratios can be compared.

    Parameters
    ----------
    out : Path
        Folder that is not there yet, or is empty: `AUDIO`, the tables and `FACTS` in it.
    clips : sequence of SourceClip
        Classes are drawn alike, within one its clips in turn.
    settings : SoundscapeSettings
    background : sequence of Path
        Recordings; a synthetic place for each file if there are none.
    facts : mapping, optional
        What else is to be kept beside, JSON-ready.

    Raises
    ------
    ParameterError
        A setting is out of its range, or the clips do not fit.
    AudioError
        Nothing can be heard in any clip of a class, or in any background.
    """
    settings.check()
    if not clips:
        raise ParameterError("there are no clips to mix in")
    made = MadeSoundscapes(pd.DataFrame())
    rate, n_samples = settings.rate_hz, round(settings.minutes * 60 * settings.rate_hz)
    rows: list[dict[str, Any]] = []
    with (
        new_folder(out, error=ParameterError) as fresh,
        progress("mixing", total=settings.files * settings.minutes, unit="min") as advance,
    ):
        (fresh / AUDIO).mkdir()
        drawer = _Drawer(clips, settings, made.problems)
        for number in range(settings.files):
            name = f"{AUDIO}/soundscape-{number:0{max(3, len(str(settings.files - 1)))}d}.wav"
            drawn = drawer.draw(number, n_samples)
            rng = np.random.default_rng([settings.seed, number, 3])
            under = (
                background_of(background, rng, rate_hz=rate)
                if background
                else synthetic_background([settings.seed, number], rate_hz=rate)
            )
            kind = "RF64" if n_samples * 2 > WAV_BYTES else "WAV"
            placed = [one.placed for one in drawn]
            with sf.SoundFile(fresh / name, "w", rate, 1, "PCM_16", format=kind) as file:
                for block in mixed(under, placed, n_samples=n_samples, rate_hz=rate):
                    file.write(block)
                    advance(len(block) / rate / 60)
            rows += _rows(name, drawn, settings)
        columns = ["file", "start_s", "end_s", "label", *FURTHER]
        made.annotations = as_table(pd.DataFrame(rows, columns=columns))
        length = RecordingInfo(n_samples / rate, rate)
        names = sorted(path.relative_to(fresh).as_posix() for path in (fresh / AUDIO).iterdir())
        known = dict.fromkeys(names, length)
        ANNOTATION_FORMATS["csv"]().write(made.annotations, fresh / TABLE, recordings=known)
        ANNOTATION_FORMATS["raven"]().write(made.annotations, fresh / RAVEN_TABLE, recordings=known)
        kept = {"settings": asdict(settings), **(facts or {})}
        kept["background"] = [str(path) for path in background]
        kept["left_out"] = [{"clip": clip, "reason": why} for clip, why in made.problems]
        write_atomically(fresh / FACTS, json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return made


class _Drawn(NamedTuple):
    clip: SourceClip
    placed: PlacedSound
    spans_s: list[tuple[float, float]]


class _Drawer:
    """Draws what comes when; a clip in which nothing can be heard is drawn no more."""

    def __init__(
        self,
        clips: Sequence[SourceClip],
        settings: SoundscapeSettings,
        problems: list[tuple[str, str]],
    ) -> None:
        self._settings, self._problems = settings, problems
        self._rng = np.random.default_rng([settings.seed, 4])
        self._of_class: dict[str, list[SourceClip]] = {}
        for clip in sorted(clips, key=lambda clip: clip.name):
            self._of_class.setdefault(clip.label, []).append(clip)
        self._turns = {label: self._in_turn(label) for label in sorted(self._of_class)}
        self._sound = lru_cache(KEPT)(self._load)

    def draw(self, number: int, n_samples: int) -> list[_Drawn]:
        """Clips of a file, with the sample at which each begins and its ratio."""
        settings = self._settings
        n = max(1, round(settings.per_minute * settings.minutes))
        found: list[SourceClip] = []
        lengths = np.zeros(n, np.int64)
        spans_s = []
        for at, label in enumerate(self._rng.choice(sorted(self._turns), n)):
            clip, sound = next(self._turns[label])  # which is not kept: a day has thousands
            found.append(clip)
            lengths[at] = len(sound.samples)
            spans_s.append(sound.spans_s(gap_s=settings.gap_s))
        starts = self._starts(lengths, n_samples).tolist()
        ratios = np.resize(settings.snr_db, n)
        ratios = np.random.default_rng([settings.seed, number, 5]).permutation(ratios)
        placed = [
            PlacedSound(start, length, partial(self._sound, clip), ratio)
            for clip, start, length, ratio in zip(
                found, starts, lengths.tolist(), ratios.tolist(), strict=True
            )
        ]
        return [_Drawn(*of_clip) for of_clip in zip(found, placed, spans_s, strict=True)]

    def _starts(self, lengths: np.ndarray, n_samples: int) -> np.ndarray:
        """Drawn beginnings: any, or such that no two clips overlap, each of them as likely."""
        settings = self._settings
        minutes, seconds = settings.minutes, lengths.sum() / settings.rate_hz
        if settings.overlap:
            if lengths.max() > n_samples:
                raise ParameterError(f"a clip is longer than the {minutes:g} minutes of a file")
            return np.asarray(self._rng.integers(0, n_samples - lengths + 1))
        taken = lengths + round(settings.apart_s * settings.rate_hz)
        free = n_samples - int(taken.sum())
        if free < 0:
            raise ParameterError(
                f"{len(lengths)} clips of {seconds:.0f} s in all, {settings.apart_s:g} s apart, do "
                f"not fit into {minutes:g} minutes: fewer a minute, or --overlap"
            )
        before = np.sort(self._rng.integers(0, free + 1, len(lengths)))
        return np.asarray(before + np.r_[0, np.cumsum(taken)[:-1]])

    def _in_turn(self, label: str) -> Iterator[tuple[SourceClip, Sound]]:
        clips = self._of_class[label]
        while clips:
            for at in self._rng.permutation(len(clips)):
                clip = clips[at]
                try:
                    yield clip, self._sound(clip)
                except AudioError as error:
                    self._problems.append((clip.name, str(error)))
            left_out = {name for name, _ in self._problems}
            clips = [clip for clip in clips if clip.name not in left_out]
        raise AudioError(f"nothing can be heard in any clip of {label}")

    def _load(self, clip: SourceClip) -> Sound:
        samples, rate = clip.read()
        return Sound.of(samples, rate, to_hz=self._settings.rate_hz)


def _rows(name: str, drawn: Sequence[_Drawn], settings: SoundscapeSettings) -> list[dict[str, Any]]:
    """Annotations of a file, in order of time."""
    ordered = sorted(drawn, key=lambda one: one.placed.start)
    rows = []
    for number, one in enumerate(ordered):
        begin = one.placed.start / settings.rate_hz
        for start, end in one.spans_s:
            row = {"file": name, "start_s": round(begin + start, 4)}
            row |= {"end_s": round(begin + end, 4), "label": one.clip.label}
            row |= {"event": f"{Path(name).stem}-{number:04d}"}
            rows.append(row | {"snr_db": round(one.placed.snr_db, 2), "clip": one.clip.name})
    return rows
