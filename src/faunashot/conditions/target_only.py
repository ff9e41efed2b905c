"""Without the source corpus: what it was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faunashot.conditions.base import Condition

if TYPE_CHECKING:
    from faunashot.evaluation.uncertainty import Interval


class TargetOnly(Condition):
    """Heads learn from the target corpus alone, where else they learn from a source beside it."""

    name = "target_only"
    without_source = True

    def sentence(self, difference: Interval) -> str:
        """What the source corpus adds."""
        return f"{difference.value:+.3f} of macro-F1 is owed to the source corpus"
