"""Under noise: recordings of noise mixed into every clip that is scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, field_validator

from faunashot import options
from faunashot.audio.noise import Noise, NoiseMixer
from faunashot.conditions.base import Condition
from faunashot.errors import ParameterError

if TYPE_CHECKING:
    from faunashot.evaluation.uncertainty import Interval


class UnderNoise(Condition):
    """What learned from the clips as they are, scored on them at a signal-to-noise ratio."""

    class Options(options.Options):
        """Signal-to-noise ratios in dB at which clips are scored; none for none."""

        snr_db: list[Annotated[float, Field(ge=-100, le=100)]] = Field(default=[])

        @field_validator("snr_db")
        @classmethod
        def _distinct(cls, snr_db: list[float]) -> list[float]:
            if len({f"{each + 0.0:g}" for each in snr_db}) < len(snr_db):
                raise ParameterError(f"conditions.noise.snr_db: some of {snr_db} are the same")
            return [each + 0.0 for each in snr_db]  # which makes -0 of none

    perturbs = True
    refits = False
    needs_noise = True

    def __init__(self, options: Any, snr_db: float) -> None:
        super().__init__(options)
        self.snr_db = snr_db
        self.name = f"snr_{snr_db:g}"

    @classmethod
    def asked_for(cls, options: Any) -> list[Self]:
        """One a ratio."""
        return [cls(options, snr_db) for snr_db in options.snr_db]

    def perturbation(self, noises: Sequence[Noise]) -> NoiseMixer:
        """Mixes one of the recordings of noise into a clip."""
        return NoiseMixer(self.snr_db, tuple(noises))

    def sentence(self, difference: Interval) -> str:
        """What the noise takes."""
        return f"{difference.value:+.3f} of macro-F1 goes under noise at {self.snr_db:g} dB"
