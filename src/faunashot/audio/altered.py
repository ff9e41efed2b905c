"""Altered copies of recordings: louder or softer, moved in time and noisier."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from faunashot import options
from faunashot.audio.noise import mix
from faunashot.audio.perturbation import Perturbation, Samples
from faunashot.errors import ParameterError

LONGEST_S = 10.0
"""Of a longer recording a shift is a share of so much: windows see no more of it at once."""


@dataclass(frozen=True)
class Shift:
    """Moves a recording in time; what leaves it at one end comes in at the other.

    Parameters
    ----------
    share : float
        How far, as a share of its length, or of `LONGEST_S` if it is longer; below 0 to the front.
    """

    share: float

    def __call__(self, samples: Samples, rate_hz: int) -> tuple[Samples, int]:
        """Move mono audio of shape (n,)."""
        by = round(self.share * min(len(samples), LONGEST_S * rate_hz))
        return np.roll(samples, by), rate_hz

    def facts(self) -> dict[str, Any]:
        """How far."""
        return {"shift": {"share": self.share, "longest_s": LONGEST_S}}


@dataclass(frozen=True)
class AlteredCopy:
    """Moves a recording in time, adds white noise and changes its level, all by drawn amounts.

    Parameters
    ----------
    number : int
        Another one draws anew; for the same recording the same number always draws the same.
    gain_db : float
        Level that is added or taken away, at most; a copy that would clip is made fainter.
    shift : float
        Share by which it is moved to either side, at most, see `Shift`.
    snr_db : tuple of float
        Least and most that the noise lies below the sound, see `faunashot.audio.noise.mix`; empty
        for no noise.
    """

    number: int
    gain_db: float
    shift: float
    snr_db: tuple[float, ...]

    def __call__(self, samples: Samples, rate_hz: int) -> tuple[Samples, int]:
        """Alter mono audio of shape (n,), within -1..1; digital silence stays silent."""
        rng = np.random.default_rng([self.number, zlib.crc32(samples.tobytes())])
        share, gain_db = (rng.uniform(-most, most) for most in (self.shift, self.gain_db))
        copy, _ = Shift(share)(samples, rate_hz)
        if self.snr_db:
            noise = rng.standard_normal(len(copy)).astype(np.float32)
            snr_db = rng.uniform(self.snr_db[0], self.snr_db[-1])
            copy = mix(copy, noise, rate_hz=rate_hz, snr_db=snr_db)
        copy = copy * np.float32(10 ** (gain_db / 20))
        return np.asarray(copy / np.abs(copy).max(initial=1.0), dtype=np.float32), rate_hz

    def facts(self) -> dict[str, Any]:
        """Its settings."""
        return {"altered_copy": {**asdict(self), "longest_s": LONGEST_S}}


@dataclass(frozen=True)
class InTurn:
    """Does one thing to a recording, and then another."""

    first: Perturbation
    second: Perturbation

    def __call__(self, samples: Samples, rate_hz: int) -> tuple[Samples, int]:
        """Alter mono audio of shape (n,)."""
        return self.second(*self.first(samples, rate_hz))

    def facts(self) -> dict[str, Any]:
        """Of both."""
        return {"in_turn": [self.first.facts(), self.second.facts()]}


class Augmentation(options.Options):
    """Copies of the clips of a corpus, altered as audio: such as are learned from, and are scored.

    Attributes
    ----------
    copies : int
        Altered copies of each clip that is learned from, which weigh as much as it does; all of
        them together weigh as much as a clip without copies.
    tta_shifts : int
        Shifted copies of each clip that is scored, evenly apart up to `shift` to either side; the
        scores of a clip are the mean of its own and of theirs.
    gain_db, shift, snr_db
        As of `AlteredCopy`.
    """

    copies: int = Field(0, ge=0, le=100)
    tta_shifts: int = Field(0, ge=0, le=20)
    gain_db: float = Field(6.0, ge=0, le=60)
    shift: float = Field(0.1, ge=0, le=0.5)
    snr_db: tuple[Annotated[float, Field(ge=-100, le=100)], ...] = (10.0, 25.0)

    @model_validator(mode="after")
    def _alters_something(self) -> Self:
        if len(self.snr_db) not in (0, 2) or list(self.snr_db) != sorted(self.snr_db):
            raise ParameterError(
                f"augment.snr_db: needs the least and the most, such as [10, 25], or [] for no "
                f"noise, got {list(self.snr_db)}"
            )
        if self.tta_shifts and not self.shift:
            raise ParameterError("augment.tta_shifts: shifted copies need augment.shift above 0")
        if self.copies and not (self.gain_db or self.shift or self.snr_db):
            raise ParameterError(
                "augment.copies: they are as the clip is; set augment.gain_db, shift or snr_db"
            )
        return self

    @classmethod
    def of(cls, system: Mapping[str, Any], given: Mapping[str, Any]) -> Self:
        """What a system has of it, but what ``params.yaml`` sets."""
        return cls.read({**system, **given}, key="augment")

    @property
    def altered(self) -> dict[str, AlteredCopy]:
        """Copies to learn from, by name."""
        return {
            f"copy_{n}": AlteredCopy(n, self.gain_db, self.shift, self.snr_db)
            for n in range(1, self.copies + 1)
        }

    @property
    def shifted(self) -> dict[str, Shift]:
        """Copies that are scored beside each clip, by name, the nearest first."""
        steps = -(-self.tta_shifts // 2)
        shares = [self.shift * n / steps * side for n in range(1, steps + 1) for side in (1, -1)]
        return {f"shift_{n}": Shift(s) for n, s in enumerate(shares[: self.tta_shifts], 1)}
