"""What the report says of each condition, given how much macro-F1 the run itself has more.

One function a condition; one that is not known here gets a plain sentence.
"""

from __future__ import annotations

from collections.abc import Callable

from faunashot.evaluation.uncertainty import Interval


def target_only(difference: Interval) -> str:
    """Without the source corpus."""
    return f"{difference.value:+.3f} of macro-F1 is owed to the source corpus"


def equalised(difference: Interval) -> str:
    """With the recorder hidden."""
    return f"{difference.value:+.3f} of macro-F1 goes when the recorder is hidden"


def snr(difference: Interval, *, snr_db: str) -> str:
    """With noise mixed in at a signal-to-noise ratio."""
    return f"{difference.value:+.3f} of macro-F1 goes under noise at {snr_db} dB"


def plain(difference: Interval, *, name: str) -> str:
    """Under any other condition."""
    return f"{difference.value:+.3f} of macro-F1 goes under the condition {name}"


def condition_sentence(name: str, difference: Interval) -> str:
    """The sentence of a condition by its name, such as ``equalised`` or ``snr_0``."""
    known: dict[str, Callable[[Interval], str]] = {
        "target_only": target_only,
        "equalised": equalised,
    }
    if name in known:
        return known[name](difference)
    kind, _, value = name.partition("_")
    if kind == "snr" and value:
        return snr(difference, snr_db=value)
    return plain(difference, name=name)
