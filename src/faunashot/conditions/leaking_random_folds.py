"""Over folds that are shuffled clip by clip, as some publications use them: what the leak adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faunashot.conditions.base import Condition
from faunashot.evaluation import LEAKING

if TYPE_CHECKING:
    from faunashot.evaluation.uncertainty import Interval


class LeakingRandomFolds(Condition):
    """Learned and scored over shuffled folds, which put clips of one recording on both sides.

    Such figures are inflated and no result; they are for setting published ones, which were
    gained so, beside what they are worth.
    """

    name = LEAKING
    random_folds = True

    def sentence(self, difference: Interval) -> str:
        """What is gained by the leak."""
        return (
            f"{-difference.value:+.3f} of macro-F1 would be gained by random folds, which leak: "
            "clips of one recording are learned from and scored"
        )
