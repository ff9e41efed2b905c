"""Without the source corpus: what it was worth."""

from __future__ import annotations

from faunashot.conditions.base import Condition


class TargetOnly(Condition):
    """Heads learn from the target corpus alone, where else they learn from a source beside it."""

    name = "target_only"
    without_source = True

    def sentence(self, macro_f1: float, difference: float) -> str:
        """What the source corpus adds."""
        return f"Of the {macro_f1:.2f}, {difference:+.3f} is owed to the source corpus"
