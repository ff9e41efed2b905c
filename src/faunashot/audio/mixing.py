"""Sounds mixed into a background at given times and levels, however long it is.

The signal-to-noise ratio is that of `faunashot.audio.noise.mix`: the power of a sound over its
active frames, against that of the background over the same frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from faunashot.audio.decode import announced, decode
from faunashot.audio.levels import SILENCE_DB, centred, level_db
from faunashot.audio.noise import FAINTEST_DB, activity_mask
from faunashot.audio.resample import resample
from faunashot.audio.synth import surroundings
from faunashot.audio.voices import Scene
from faunashot.errors import AudioError

Samples = npt.NDArray[np.float32]

LEVEL_DB = -45.0
"""Of the background: as far above the steps of 16 bits as below full scale, for loud sounds."""

BLOCK_S = 60.0
LONGEST_S = 30.0
"""Of a sound: what it has behind that is left out."""

FADE_S, CROSSFADE_S = 0.01, 0.5
SYNTHETIC_S = 10.0


@dataclass(frozen=True)
class Sound:
    """What is to be heard in a clip, without the silence before and after.

    Attributes
    ----------
    samples : ndarray, shape (n,)
        Mono, without offset, its ends faded.
    mask : ndarray of bool, shape (n,)
        Where it is active, see `faunashot.audio.noise.activity_mask`.
    rate_hz : int
    """

    samples: Samples
    mask: npt.NDArray[np.bool_]
    rate_hz: int

    @classmethod
    def of(cls, samples: Samples, rate_hz: int, *, to_hz: int) -> Sound:
        """From mono audio of shape (n,) at `rate_hz`.

        Raises
        ------
        AudioError
            There is nothing to be heard.
        """
        at_rate = centred(resample(centred(samples), rate_hz, to_hz=to_hz))
        heard = activity_mask(at_rate, to_hz)
        if not heard.any() or level_db(at_rate) <= SILENCE_DB:
            raise AudioError("digital silence")
        first = int(heard.argmax())
        last = min(len(heard) - int(heard[::-1].argmax()), first + round(LONGEST_S * to_hz))
        sound, mask = at_rate[first:last].copy(), heard[first:last]
        fade = min(round(FADE_S * to_hz), len(sound) // 2)
        rising = np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
        sound[:fade] *= rising
        sound[len(sound) - fade :] *= rising[::-1]
        return cls(sound, mask, to_hz)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.rate_hz

    def spans_s(self, *, gap_s: float) -> list[tuple[float, float]]:
        """From when to when it is active, in seconds; pauses up to `gap_s` do not part it.

        Examples
        --------
        >>> mask = np.repeat([True, False, True, False, True], [8, 2, 8, 30, 8])
        >>> Sound(mask.astype(np.float32), mask, 10).spans_s(gap_s=1.0)
        [(0.0, 1.8), (4.8, 5.6)]
        """
        edges = np.flatnonzero(np.diff(self.mask.astype(np.int8), prepend=0, append=0))
        starts, ends = edges[::2], edges[1::2]
        parts = np.flatnonzero(starts[1:] - ends[:-1] > gap_s * self.rate_hz)
        firsts, lasts = starts[np.r_[0, parts + 1]], ends[np.r_[parts, len(ends) - 1]]
        return [
            (float(a / self.rate_hz), float(b / self.rate_hz))
            for a, b in zip(firsts, lasts, strict=True)
        ]


@dataclass
class PlacedSound:
    """A sound that is mixed in.

    Attributes
    ----------
    start : int
        First sample.
    length : int
        Samples.
    load : callable
        Gives the sound, when its time has come.
    snr_db : float
        Wished; once it is mixed, what it has: less, where it would have been too loud for the
        format.
    """

    start: int
    length: int
    load: Callable[[], Sound]
    snr_db: float


def mixed(
    background: Iterator[Samples], placed: Sequence[PlacedSound], *, n_samples: int, rate_hz: int
) -> Iterator[Samples]:
    """Blocks of the background with the sounds in it, `n_samples` in all.

    A minute and the longest sound are in memory, whatever the length. Sounds that overlap have
    their ratio to the background alone. Where the background pauses, it counts as `FAINTEST_DB`
    below its level.
    """
    waiting = sorted(placed, key=lambda sound: sound.start)
    under = over = np.zeros(0, np.float32)
    block = round(BLOCK_S * rate_hz)
    for begin in range(0, n_samples, block):
        end = min(begin + block, n_samples)
        due = [sound for sound in waiting if sound.start < end]
        waiting = waiting[len(due) :]
        needed = max([end, *(sound.start + sound.length for sound in due)]) - begin
        while len(under) < needed:
            under = np.concatenate([under, next(background)])
        over = np.concatenate([over, np.zeros(max(0, needed - len(over)), np.float32)])
        for sound in due:
            at = slice(sound.start - begin, sound.start - begin + sound.length)
            over[at] += _scaled(sound, under[at], over[at])
        yield under[: end - begin] + over[: end - begin]
        under, over = under[end - begin :], over[end - begin :]


def _scaled(placed: PlacedSound, under: Samples, over: Samples) -> Samples:
    """The sound at its level above the background; fainter where all would be too loud."""
    sound = placed.load()
    least = 10 ** ((LEVEL_DB + FAINTEST_DB) / 10)
    noise_power = max(_power(under[sound.mask]), least)
    gain = np.sqrt(noise_power / _power(sound.samples[sound.mask])) * 10 ** (placed.snr_db / 20)
    room = 1 - np.abs(under + over)
    loudest = np.abs(sound.samples)
    most = float(np.min(room[loudest > 0] / loudest[loudest > 0]))
    if gain > most:
        placed.snr_db += 20 * float(np.log10(max(most, 1e-6) / gain))
        gain = most
    return np.asarray(gain * sound.samples, dtype=np.float32)


def background_of(
    recordings: Sequence[Path], rng: np.random.Generator, *, rate_hz: int
) -> Iterator[Samples]:
    """Background without end, from recordings in random order, each once before any again.

    Of a recording of more than a minute a minute is taken, from a drawn second on. All have the
    level `LEVEL_DB`, and fade into each other.

    Raises
    ------
    AudioError
        None of them can be used; the message says why of the first.
    """

    def pieces() -> Iterator[Samples]:
        while True:
            problems = []
            for number in rng.permutation(len(recordings)):
                try:
                    yield _stretch(recordings[number], rng, rate_hz)
                except AudioError as error:
                    problems.append(f"{recordings[number]}: {error}")
            if len(problems) == len(recordings):
                raise AudioError(problems[0] if problems else "no recordings of background")

    yield from _faded(pieces(), rate_hz)


def synthetic_background(seed: Sequence[int], *, rate_hz: int) -> Iterator[Samples]:
    """Background without end: the surroundings of one synthetic place."""

    def pieces() -> Iterator[Samples]:
        number = 0
        while True:
            number += 1
            who = np.random.default_rng([*seed, 0, 1])  # the same place each time
            now = np.random.default_rng([*seed, number, 2])
            scene = Scene(who, now, round(SYNTHETIC_S * rate_hz), rate_hz)
            yield _at_level(np.asarray(surroundings(scene), np.float32))

    yield from _faded(pieces(), rate_hz)


def _stretch(recording: Path, rng: np.random.Generator, rate_hz: int) -> Samples:
    header, span_s = announced(recording), None
    if header is not None and header.duration_s > BLOCK_S:
        first = int(rng.integers(0, int(header.duration_s - BLOCK_S) + 1))
        span_s = (first, first + int(BLOCK_S))
    audio = decode(recording, span_s=span_s)
    samples = centred(resample(centred(audio.mono()), audio.sample_rate, to_hz=rate_hz))
    heard = np.flatnonzero(samples)
    if not len(heard) or level_db(samples) <= SILENCE_DB:
        raise AudioError("digital silence")
    return _at_level(samples[heard[0] : heard[-1] + 1])


def _at_level(samples: Samples) -> Samples:
    return np.asarray(samples * 10 ** (LEVEL_DB / 20) / np.sqrt(_power(samples)), dtype=np.float32)


def _faded(pieces: Iterator[Samples], rate_hz: int) -> Iterator[Samples]:
    """Pieces of equal level, each faded into the next."""
    tail = np.zeros(0, np.float32)
    for piece in pieces:
        fade = min(round(CROSSFADE_S * rate_hz), len(piece) // 3, len(tail) or len(piece))
        rising = np.sqrt((np.arange(fade, dtype=np.float32) + 0.5) / fade) if fade else tail
        joined = piece.copy()
        if len(tail):
            yield tail[: len(tail) - fade]
            joined[:fade] = rising * joined[:fade] + rising[::-1] * tail[len(tail) - fade :]
        cut = len(joined) - fade
        yield joined[:cut]
        tail = joined[cut:]


def _power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))
