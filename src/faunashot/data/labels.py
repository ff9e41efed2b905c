"""What a table of clips says of its labels: one class a clip, or several."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import pandas as pd

from faunashot.targets import names_of

MULTI_LABEL = "multi_label"
"""Column that says whether a clip may carry several classes; a table without it says no."""

NAMES = ["clip_id", "path", "label", "predicted", "fold", "group", "salience", "condition"]
"""Columns of our CSV files that are text, whatever they look like."""


def read_csv(source: Path | IO[str]) -> pd.DataFrame:
    """Read a CSV file that a stage wrote: `NAMES` as text, all other columns as numbers.

    A class may be called ``001``, ``NA`` or ``None``, and an empty label is a clip of none.
    """
    table = pd.read_csv(source, dtype=str, keep_default_na=False)
    numbers = table.columns.difference(NAMES, sort=False)
    return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})


def carry_several(clips: pd.DataFrame) -> bool:
    """Whether the clips of a table may carry several classes each, or none."""
    return MULTI_LABEL in clips and bool(clips[MULTI_LABEL].any())


def names_by_clip(clips: pd.DataFrame) -> pd.Series:
    """Class names, each a row of its own, by the row of `clips` that it is of.

    Parameters
    ----------
    clips : DataFrame
        Column ``label``, and ``multi_label`` where clips may carry several.

    Returns
    -------
    Series
        Names in the order of the rows, with the index of `clips`; a clip of no class is not in it.
    """
    if not carry_several(clips):
        return clips["label"]
    several = clips["label"].map(lambda label: list(names_of(label, multi_label=True)))
    return several.explode().dropna()


def clips_a_class(clips: pd.DataFrame) -> dict[str, int]:
    """How many clips are of each class, by its name; a clip of two counts for both."""
    counts = names_by_clip(clips).value_counts().sort_index()
    return {str(name): int(n) for name, n in counts.items()}
