"""Synthetic animals: a corpus of any size from models of how the sounds are made.

Each recording is one individual (`faunashot.audio.voices`) at a drawn distance, in a drawn place,
on a drawn recorder.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from faunashot.audio.voices import CLASSES, Samples, Scene, between, knots, pulses, swell, voice
from faunashot.errors import ParameterError

BACKGROUND = "background"
__all__ = ["BACKGROUND", "CLASSES", "Recording", "recordings", "synthesise"]

_MIN_RATE_HZ = 16_000
_MIN_DURATION_S = 0.5
_PAIR_EVERY = 4  # every fourth individual was recorded twice


@dataclass(frozen=True)
class Recording:
    """One labelled recording of the synthetic corpus.

    Attributes
    ----------
    name : str
        File name, such as ``dog-0007.ogg``.
    label : str
        One of `CLASSES`, or `BACKGROUND`; of a soundscape those of all its animals, joined.
    fold : int
        Fold, from 1.
    group : str
        The individual in its place; recordings that share it are never in two folds.
    sample_rate : int
        In Hz.
    audio : numpy.ndarray
        float32, shape (samples,), peak below 1.
    """

    name: str
    label: str
    fold: int
    group: str
    sample_rate: int
    audio: NDArray[np.float32]


def _coloured(scene: Scene, slope: float, corner_hz: float) -> Samples:
    """Noise of unit power, flat below `corner_hz`, then falling as f**-slope in power."""
    n = fft.next_fast_len(scene.n_samples, real=True)
    spectrum = scene.now.standard_normal((n // 2 + 1, 2), dtype=np.float32).view(np.complex64)[:, 0]
    f_hz = fft.rfftfreq(n, 1 / scene.sample_rate).astype(np.float32)
    spectrum *= (1 + f_hz / corner_hz) ** np.float32(-slope / 2)
    noise: Samples = fft.irfft(spectrum, n)[: scene.n_samples]
    return noise / float(noise.std())


def surroundings(scene: Scene) -> Samples:
    """Unit-power background: a drawn mix of noise, wind, rain, hum, far birds and insects."""
    who, now, n, rate = scene.who, scene.now, scene.n_samples, scene.sample_rate
    t = np.arange(n) / rate
    out = _coloured(scene, who.uniform(0.6, 1.6), 60)
    wind, rain, hum, birds, chorus = np.maximum(who.random(5) * 1.5 - 1, 0)
    song_hz, chorus_hz = between((2000, 5500), who.random()), between((3000, 7000), who.random())
    mains_hz, beat_hz = who.choice([50, 60]), who.uniform(5, 40)
    if wind:
        gusts = knots(now.random(int(2 * t[-1]) + 2), n)
        out += 8 * wind * gusts * _coloured(scene, 3.5, 80)
    if rain:
        drops = np.zeros(n)
        where = now.integers(n, size=n // 100)
        drops[where] = now.standard_normal(len(where)) ** 3
        sos = signal.butter(1, (1500, 6000), "bandpass", fs=rate, output="sos")
        out += (
            8 * rain * signal.sosfilt(sos, drops + 0.1 * now.standard_normal(n, dtype=np.float32))
        )
    if hum:
        out += 2 * hum * pulses(scene, np.full(n, mains_hz), cutoff_hz=120, jitter=0)
    if birds:
        for _ in range(now.integers(2, 9)):
            length = int(rate * now.uniform(0.06, 0.25))
            f0 = song_hz * knots(now.uniform(0.8, 1.25, 4), length)
            at = now.integers(n - length)
            note = np.sin(2 * np.pi / rate * np.cumsum(f0)) * swell(length, 0.2, 0.3)
            out[at : at + length] += 4 * birds * note
    if chorus:
        beat = 0.6 + 0.4 * np.sin(2 * np.pi * beat_hz * t)
        out += 2 * chorus * beat * np.sin(2 * np.pi * chorus_hz * t)
    return out / float(out.std())


def _propagate(scene: Scene, dry: Samples, distance_m: float) -> Samples:
    """Let the voice arrive: duller with `distance_m`, and with more of the place's echo."""
    echo_s = between((0.15, 1.2), scene.who.random())
    open_m = between((8, 80), scene.who.random())
    tail = np.linspace(0, 1, int(echo_s * scene.sample_rate), dtype=np.float32)
    response = scene.who.standard_normal(len(tail), dtype=np.float32) * np.exp(-6.9 * tail)
    response *= distance_m / open_m / np.sqrt(np.sum(response**2))
    response[0] += 1
    n = fft.next_fast_len(scene.n_samples + len(tail), real=True)
    f_khz = fft.rfftfreq(n, 1000 / scene.sample_rate).astype(np.float32)
    air_db = distance_m * (0.003 * f_khz + 0.02) * f_khz
    gain = np.exp(np.float32(-np.log(10) / 20) * air_db)
    spectrum = fft.rfft(dry.astype(np.float32), n) * fft.rfft(response, n) * gain
    wet: Samples = fft.irfft(spectrum, n)[: scene.n_samples]
    return wet


def _loudness(audio: Samples, sample_rate: int) -> float:
    """RMS of the loud frames, so that the pauses between calls do not count."""
    frame = sample_rate // 50
    frames = audio[: len(audio) // frame * frame].reshape(-1, frame)
    return float(np.sqrt(np.quantile(np.mean(frames**2, axis=1), 0.9)) + 1e-9)


class Place(NamedTuple):
    """Where an animal is: how far away, and how far above the surroundings of unit power."""

    distance_m: float
    snr_db: float

    @classmethod
    def drawn(
        cls,
        who: np.random.Generator,
        *,
        farthest_m: float = 80,
        snr_db: tuple[float, float] = (11, 8),
    ) -> Place:
        """A place up to so many metres away, of a level with this mean and spread."""
        return cls(between((1, farthest_m), who.random()), who.normal(*snr_db))


class Recorder(NamedTuple):
    """A recorder: the band that it takes, and the peak of what it writes."""

    low_hz: float
    high_hz: float
    peak: float

    @classmethod
    def drawn(cls, who: np.random.Generator) -> Recorder:
        """A recorder of any quality."""
        low_hz, high_hz = between((30, 200), who.random()), between((3000, 11_000), who.random())
        return cls(low_hz, high_hz, who.uniform(0.1, 0.95))

    def __call__(self, audio: Samples, sample_rate: int) -> NDArray[np.float32]:
        """What it makes of audio."""
        band = (self.low_hz, min(self.high_hz, 0.48 * sample_rate))
        sos = signal.butter(2, band, "bandpass", fs=sample_rate, output="sos")
        taken = signal.sosfilt(sos, audio)
        return np.asarray(taken * self.peak / np.abs(taken).max(), dtype=np.float32)


def arriving(label: str, scene: Scene, place: Place) -> Samples:
    """The voice of an animal as it arrives from its place."""
    heard = _propagate(scene, voice(label, scene), place.distance_m)
    arrived: Samples = heard * 10 ** (place.snr_db / 20) / _loudness(heard, scene.sample_rate)
    return arrived


def _record(label: str, scene: Scene) -> NDArray[np.float32]:
    """Voice and surroundings, through a recorder of drawn bandwidth and gain."""
    place, recorder = Place.drawn(scene.who), Recorder.drawn(scene.who)
    audio = surroundings(scene)
    if label != BACKGROUND:
        audio += arriving(label, scene, place)
    return recorder(audio, scene.sample_rate)


def synthesise(
    label: str, rng: np.random.Generator, *, duration_s: float, sample_rate: int = 32_000
) -> NDArray[np.float32]:
    """Record a new individual in a new place.

    Parameters
    ----------
    label : str
        One of `CLASSES`, or `BACKGROUND` for the place alone.
    rng : numpy.random.Generator
        What everything is drawn from.
    duration_s : float
        Length in seconds, at least 0.5.
    sample_rate : int
        In Hz, at least 16000.

    Returns
    -------
    numpy.ndarray
        float32, shape (round(duration_s * sample_rate),), peak below 1.

    Raises
    ------
    ParameterError
        If the label is unknown, or the duration or the sample rate is too small.

    Examples
    --------
    >>> synthesise("cow", np.random.default_rng(0), duration_s=3.0).shape
    (96000,)
    """
    if label != BACKGROUND and label not in CLASSES:
        known = ", ".join((*CLASSES, BACKGROUND))
        raise ParameterError(f"label {label!r} is not one of {known}")
    if not duration_s >= _MIN_DURATION_S:
        raise ParameterError(f"duration_s is {duration_s}; it must be at least {_MIN_DURATION_S}")
    if sample_rate < _MIN_RATE_HZ:
        raise ParameterError(f"sample_rate is {sample_rate}; it must be at least {_MIN_RATE_HZ} Hz")
    return _record(label, Scene(rng, rng, round(duration_s * sample_rate), sample_rate))


def recordings(
    n_clips: int,
    *,
    seed: int = 42,
    background_share: float = 0.1,
    n_folds: int = 5,
    sample_rate: int = 32_000,
) -> Iterator[Recording]:
    """Stream a corpus, one recording in memory at a time.

    About a quarter of the individuals have two recordings: the same animal in the same place,
    with other calls. A recording depends on the seed, the individual and which of its
    recordings it is alone, so that a smaller corpus is a part of a larger one.

    Parameters
    ----------
    n_clips : int
        Number of recordings, of 3 to 5 s; the classes follow each other in turn.
    seed : int
        Not negative; the same seed gives the same samples.
    background_share : float
        Share of the recordings without an animal, in [0, 1].
    n_folds : int
        Number of folds; each gets as many recordings of a class as any other, to within two.
    sample_rate : int
        In Hz, at least 16000.

    Yields
    ------
    Recording
        The next recording.

    Raises
    ------
    ParameterError
        If a value is out of its range.
    """
    if n_clips < 0 or seed < 0 or n_folds < 1:
        raise ParameterError("n_clips and seed must not be negative, n_folds must be positive")
    if not 0 <= background_share <= 1:
        raise ParameterError(f"background_share is {background_share}; it must be in [0, 1]")
    if sample_rate < _MIN_RATE_HZ:
        raise ParameterError(f"sample_rate is {sample_rate}; it must be at least {_MIN_RATE_HZ} Hz")
    n_background = round(n_clips * background_share)
    n_animals = n_clips - n_background
    counts = [(n_animals - i + len(CLASSES) - 1) // len(CLASSES) for i in range(len(CLASSES))]
    plans = [
        _plan(label, count, kind, n_folds)
        for kind, (label, count) in enumerate(
            zip((*CLASSES, BACKGROUND), (*counts, n_background), strict=True)
        )
    ]
    return (_draw(slot, seed, sample_rate) for slot in heapq.merge(*plans))


@dataclass(frozen=True, order=True)
class _Slot:
    """Which recording comes next: `turn` in [0, 1] orders the classes' recordings among all."""

    turn: float
    kind: int
    number: int
    individual: int
    place: int
    fold: int
    label: str


def _plan(label: str, n_clips: int, kind: int, n_folds: int) -> Iterator[_Slot]:
    """Deal a class's recordings to individuals, and each individual to the emptiest fold."""
    filled = [0] * n_folds
    number = individual = 0
    while number < n_clips:
        fold = min(range(n_folds), key=lambda f: (filled[f], (f - kind) % n_folds))
        for place in range(2 if individual % _PAIR_EVERY == 1 else 1):
            if number < n_clips:
                turn = (number + 0.5) / n_clips
                yield _Slot(turn, kind, number, individual, place, fold + 1, label)
            filled[fold] += 1
            number += 1
        individual += 1


def _draw(slot: _Slot, seed: int, sample_rate: int) -> Recording:
    """Record one slot of the plan."""
    who = np.random.default_rng([seed, slot.kind, slot.individual])
    now = np.random.default_rng([seed, slot.kind, slot.individual, slot.place + 1])
    n_samples = round((3 + 2 * now.random() ** 2) * sample_rate)
    return Recording(
        name=f"{slot.label}-{slot.number:04d}.ogg",
        label=slot.label,
        fold=slot.fold,
        group=f"{slot.label}-{slot.individual:04d}",
        sample_rate=sample_rate,
        audio=_record(slot.label, Scene(who, now, n_samples, sample_rate)),
    )
