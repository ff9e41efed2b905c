"""What a condition is, and which of them the parameters ask for."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from faunashot import options
from faunashot.audio.noise import Noise
from faunashot.audio.perturbation import Perturbation
from faunashot.registry import Registry

if TYPE_CHECKING:
    from faunashot.evaluation.uncertainty import Interval

CONDITIONS: Registry[Condition] = Registry(
    "condition", "faunashot.conditions", contract="faunashot.conditions.base:Condition"
)
"""Conditions by name: one module each."""


class Condition(ABC):
    """The same clips, scored on the same episodes once more, altered.

    It alters the audio (`perturbation`), or what is learned from (`without_source`,
    `random_folds`).

    Parameters
    ----------
    options : Options
        Its block in ``params.yaml``.

    Attributes
    ----------
    name : str
        In tables, metrics and folders; an instance may add its value, as ``snr_20``.
    perturbs : bool
        Whether it alters the audio.
    needs_noise : bool
        Whether it mixes recordings of noise in.
    refits : bool
        Whether heads learn anew from altered clips too; else those that learned from the clips as
        they are score the altered ones.
    without_source : bool
        Whether it leaves the source corpus out; it says something only where one is learned.
    random_folds : bool
        Whether folds are shuffled clip by clip; scored where ``protocol.folds`` is random.
    """

    class Options(options.Options):
        """Nothing to set."""

    name: str
    perturbs: ClassVar[bool] = False
    needs_noise: ClassVar[bool] = False
    refits: ClassVar[bool] = True
    without_source: ClassVar[bool] = False
    random_folds: ClassVar[bool] = False

    def __init__(self, options: Any) -> None:
        self.options = options

    @classmethod
    def asked_for(cls, options: Any) -> list[Self]:
        """The conditions that a block of options asks for; several where it lists values."""
        return [cls(options)]

    def perturbation(self, noises: Sequence[Noise]) -> Perturbation | None:
        """What is done to the audio before it is embedded; None where that stays as it is.

        Parameters
        ----------
        noises : sequence of Noise
            Recordings of noise that ``noise.root`` or the corpus has.
        """
        return None

    def sentence(self, difference: Interval) -> str:
        """What the report says of it.

        Parameters
        ----------
        difference : Interval
            Macro-F1 of the clips as they are less that under the condition.
        """
        return plain_sentence(self.name, difference)


def asked_for(blocks: Mapping[str, Mapping[str, Any]]) -> list[Condition]:
    """All conditions that the block ``conditions`` of ``params.yaml`` asks for.

    One that the block does not name is asked with its defaults: it may always apply, as what a
    source corpus is worth does.

    Raises
    ------
    ParameterError
        A condition or an option is unknown, or an option is of another type.
    """
    for name in blocks:
        CONDITIONS[name]  # refuses an unknown one by name
    return [
        condition
        for name, kind in CONDITIONS.classes().items()
        for condition in kind.asked_for(
            kind.Options.read(blocks.get(name, {}), key=f"conditions.{name}")
        )
    ]


def sentence_of(name: str, conditions: Sequence[Condition], difference: Interval) -> str:
    """What the report says of a condition by its name, also of one that nobody knows any more."""
    for condition in conditions:
        if condition.name == name:
            return condition.sentence(difference)
    return plain_sentence(name, difference)


def plain_sentence(name: str, difference: Interval) -> str:
    """What the report says of a condition that says nothing of its own."""
    return f"{difference.value:+.3f} of macro-F1 goes under the condition {name}"
