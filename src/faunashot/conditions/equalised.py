"""With the recorder hidden: one band, length, level and noise floor for all recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field

from faunashot import options
from faunashot.audio.equalise import Equaliser
from faunashot.audio.noise import Noise
from faunashot.conditions.base import Condition

if TYPE_CHECKING:
    from faunashot.evaluation.uncertainty import Interval


class Equalised(Condition):
    """Heads learn from equalised recordings and are scored on them; see `Equaliser`."""

    class Options(options.Options):
        """Whether to score it, and what all recordings are brought to."""

        score: bool = False
        low_hz: Annotated[float, Field(gt=0)] = 100.0
        high_hz: Annotated[float, Field(gt=0, le=8000)] = 3500.0
        length_s: Annotated[float, Field(ge=0.1)] = 2.0
        level_db: Annotated[float, Field(lt=0)] = -25.0
        snr_db: float = 25.0

    name = "equalised"
    perturbs = True

    @classmethod
    def asked_for(cls, options: Any) -> list[Self]:
        """One where it is to be scored."""
        return [cls(options)] if options.score else []

    def perturbation(self, noises: Sequence[Noise]) -> Equaliser:
        """The equaliser."""
        return Equaliser(**self.options.model_dump(exclude={"score"}))

    def sentence(self, difference: Interval) -> str:
        """What hiding the recorder takes."""
        return f"{difference.value:+.3f} of macro-F1 goes when the recorder is hidden"
