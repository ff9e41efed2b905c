"""How figures and their intervals are written: the same digits and words wherever they stand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

INTERVAL = "95 % interval"
"""Heading of the interval over recordings and, where labelled clips are drawn, over draws too."""

DRAWS_ALONE = "draws alone"
"""Heading of the interval over draws of the labelled clips alone."""

_DRAWS = "_draws"


def decimals(value: Any, *, sign: bool = False) -> str:
    """A figure with four decimals, also where they are 0; ``none`` where there is no figure.

    Examples
    --------
    >>> decimals(0.88), decimals("0.7881"), decimals(0.5, sign=True), decimals(None)
    ('0.8800', '0.7881', '+0.5000', 'none')
    """
    number = math.nan if value in (None, "") else float(value)
    return "none" if math.isnan(number) else f"{number:{'+' if sign else ''}.4f}"


def interval(figures: Mapping[Any, Any], name: str, *, draws: bool = False) -> str:
    """The interval of a figure, from ``NAME_low`` and ``NAME_high``; ``none`` where there is none.

    Parameters
    ----------
    figures : mapping
        As `faunashot.evaluation.summary.flat` gives them, or a row of ``curve.csv``.
    name : str
        Of the figure.
    draws : bool
        Whether the interval over draws of the labelled clips alone is meant.
    """
    key = name + _DRAWS * draws
    low, high = (decimals(figures.get(f"{key}_{end}")) for end in ("low", "high"))
    return "none" if "none" in (low, high) else f"{low} to {high}"


def labelled(row: Mapping[Any, Any]) -> str:
    """How many labelled clips a class had at a k: one number, or those of the fewest and the most.

    Parameters
    ----------
    row : mapping
        Of ``curve.csv``; empty where it does not say.
    """
    least, most = (row.get(f"labelled_{end}") for end in ("least", "most"))
    if least in (None, "") or most in (None, ""):
        return ""
    ends = dict.fromkeys(f"{float(number):g}" for number in (least, most))
    return " to ".join(ends)


def is_drawn(figures: Mapping[Any, Any], name: str) -> bool:
    """Whether a figure has an interval over draws of the labelled clips alone."""
    return interval(figures, name, draws=True) != "none"


def sentence(*, drawn: bool) -> str:
    """What the intervals say, in words."""
    if not drawn:
        return f"{INTERVAL}: where the figure would lie with other recordings to score."
    return (
        f"{INTERVAL}: where the figure would lie with other recordings to score and other "
        f"labelled clips to learn from; {DRAWS_ALONE}: with other labelled clips only, scored on "
        "the same recordings."
    )


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table, with None for what is missing: JSON has no NaN."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]
