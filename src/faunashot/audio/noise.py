"""Recordings of noise mixed into clips: so much below the sound in them, not below their pauses."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.audio.decode import decode
from faunashot.audio.levels import SILENCE_DB, centred, level_db
from faunashot.audio.loop import loop
from faunashot.audio.resample import resample
from faunashot.errors import AudioError, ParameterError

ACTIVE_DB = 30.0
"""Frames within so much of the loudest one hold sound; the others are pauses."""

STEP_S = 0.032
"""Half a frame: frames are of 64 ms."""

FAINTEST_DB = -30.0
"""A stretch that lies further below its recording's level is a pause in the noise."""

Samples = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def active(power: npt.NDArray[np.floating[Any]]) -> Mask:
    """Which frames hold sound, along the last axis: those within `ACTIVE_DB` of the loudest.

    Parameters
    ----------
    power : ndarray, shape (..., frames)
        At least 0.

    Returns
    -------
    ndarray of bool, shape (..., frames)
        At least the loudest frame is active, but none where all power is 0.
    """
    if power.shape[-1] == 0:
        return np.zeros(power.shape, dtype=bool)
    loudest = power.max(axis=-1, keepdims=True)
    return np.asarray((power > 0) & (power >= loudest * 10 ** (-ACTIVE_DB / 10)))


def mix(samples: Samples, noise: Samples, *, rate_hz: int, snr_db: float) -> Samples:
    """Add noise of shape (m,) to mono audio of shape (n,), both at `rate_hz`.

    The power of the samples over their active frames, see `active`, is then `snr_db` above that
    of the noise over the same frames. An offset counts as no power of the samples. A shorter
    noise is repeated; a result that would clip is made fainter as a whole.

    Returns
    -------
    ndarray of float32, shape (n,)
        Within -1..1; samples that hold no sound come back as they are.

    Raises
    ------
    AudioError
        The noise is silent where the samples are active.
    """
    heard = activity_mask(samples, rate_hz)
    return _mixed(samples, np.resize(noise, len(samples)), heard, snr_db=snr_db)


@dataclass(frozen=True)
class Noise:
    """A recording of noise, which is known by its content, wherever it lies."""

    path: Path = field(compare=False)
    sha256: str

    def at(self, rate_hz: int | None = None) -> Samples:
        """Mono audio of RMS level 1, (n,), that repeats without a click; at its own rate if None.

        Raises
        ------
        AudioError
            It cannot be decoded, or is silent; the message names it.
        """
        try:
            audio = decode(self.path)
        except AudioError as error:
            raise AudioError(f"{self.path}: {error}") from error
        rate_hz = rate_hz or audio.sample_rate
        samples = centred(resample(centred(audio.mono()), audio.sample_rate, to_hz=rate_hz))
        if level_db(samples) <= SILENCE_DB:
            raise AudioError(f"{self.path} is silent at {rate_hz} Hz, which is no noise to mix in")
        looped = loop(samples, rate_hz)
        return np.asarray(looped / np.sqrt(_power(looped)), dtype=np.float32)


@dataclass(frozen=True)
class NoiseMixer:
    """Mixes one of several recordings of noise into a clip, see `mix`.

    Parameters
    ----------
    snr_db : float
        How far the noise lies below the sound in the clip.
    noises : tuple of Noise
        What is drawn from, in any order. Which one, and where in it the noise begins, is
        drawn anew for each clip, and for the same clip always the same.

    Raises
    ------
    ParameterError
        There are no noises.
    """

    snr_db: float
    noises: tuple[Noise, ...]
    _read: dict[tuple[str, int], Samples] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _reading: threading.Lock = field(
        default_factory=threading.Lock, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if not self.noises:
            raise ParameterError("noises: needs one recording of noise at least")
        in_order = sorted(self.noises, key=lambda noise: noise.sha256)
        object.__setattr__(self, "noises", tuple(in_order))

    def __call__(self, samples: Samples, rate_hz: int) -> tuple[Samples, int]:
        """Mix noise into mono audio of shape (n,), at its rate; see `mix` for what is raised."""
        heard = activity_mask(samples, rate_hz)
        if not heard.any():
            return samples, rate_hz
        rng = np.random.default_rng(zlib.crc32(samples.tobytes()))
        noise = self._noise(int(rng.integers(len(self.noises))), rate_hz)
        stretch = _stretch(noise, heard, rng, step=_step(samples, rate_hz))
        return _mixed(samples, stretch, heard, snr_db=self.snr_db), rate_hz

    def facts(self) -> dict[str, Any]:
        """The ratio, and which recordings by their content."""
        hashes = [noise.sha256 for noise in self.noises]
        return {"noise": {"snr_db": float(self.snr_db), "sha256": hashes}}

    def __reduce__(self) -> tuple[Any, ...]:
        return NoiseMixer, (self.snr_db, self.noises)  # what is read is read anew elsewhere

    def _noise(self, number: int, rate_hz: int) -> Samples:
        noise = self.noises[number]
        with self._reading:
            if (noise.sha256, rate_hz) not in self._read:
                self._read[noise.sha256, rate_hz] = noise.at(rate_hz)
            return self._read[noise.sha256, rate_hz]


def _step(samples: Samples, rate_hz: int) -> int:
    return max(1, min(round(STEP_S * rate_hz), len(samples)))


def activity_mask(samples: Samples, rate_hz: int) -> Mask:
    """Which samples of mono audio, (n,), lie in an active frame; the last frame may be shorter."""
    if len(samples) == 0:
        return np.zeros(0, dtype=bool)
    starts = np.arange(0, len(samples), _step(samples, rate_hz))
    steps = np.diff(starts, append=len(samples))
    energy = np.add.reduceat(np.square(centred(samples), dtype=np.float64), starts)
    if len(starts) == 1:
        return np.repeat(active(energy), steps)
    frames = active((energy[:-1] + energy[1:]) / (steps[:-1] + steps[1:]))
    return np.repeat(np.append(frames, False) | np.append(False, frames), steps)


def _stretch(noise: Samples, heard: Mask, rng: np.random.Generator, *, step: int) -> Samples:
    """A part of noise of level 1, as long as `heard` and repeated if need be, that is no pause.

    Where it begins is drawn from every `step` samples, which is no more than what is heard in a
    row: one of them lies on the loudest part.
    """
    for start in rng.permutation(np.arange(0, len(noise), step)):
        stretch = noise.take(np.arange(start, start + len(heard)), mode="wrap")
        if level_db(stretch[heard]) >= FAINTEST_DB:
            break
    return np.asarray(stretch)


def _mixed(samples: Samples, noise: Samples, heard: Mask, *, snr_db: float) -> Samples:
    if not heard.any():
        return samples
    noise_power = _power(noise[heard])
    if noise_power == 0:
        raise AudioError("the noise is silent where the recording holds sound")
    gain = np.sqrt(_power(centred(samples)[heard]) / noise_power) * 10 ** (-snr_db / 20)
    mixed = samples + gain * noise.astype(np.float64)
    return np.asarray(mixed / max(1.0, np.abs(mixed).max()), dtype=np.float32)


def _power(samples: Samples) -> float:
    return float(np.mean(np.square(samples, dtype=np.float64)))
