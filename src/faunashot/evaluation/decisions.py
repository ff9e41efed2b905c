"""Scores of clips to probabilities, and the classes that are decided for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faunashot.targets import join_names

THRESHOLD = 0.5
"""Probability from which on a clip is taken for a class, where it may carry several."""


class Decisions:
    """How scores become predicted labels.

    Parameters
    ----------
    classes : sequence of str
        Every class that can be predicted.
    multi_label : bool
        Whether every class that is probable enough is predicted, rather than the most probable.
    """

    def __init__(self, classes: Sequence[str], *, multi_label: bool) -> None:
        self.classes = list(classes)
        self.columns = [f"p_{name}" for name in classes]
        self.multi_label = multi_label

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with a column ``predicted``: the class of each row, or several joined."""
        given = table[self.columns].to_numpy()
        names = np.array(self.classes, dtype=object)
        if not self.multi_label:
            return table.assign(predicted=names[given.argmax(axis=1)])
        return table.assign(predicted=[join_names(names[row]) for row in given >= THRESHOLD])

    def clips(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Scores of whole clips as probabilities, with ``predicted``."""
        return self.rows(scores if self.multi_label else self._normalised(scores))

    def untempered(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Scores as they were before temperature scaling, where a clip carries one label.

        Tempering keeps the logarithms of a row in proportion, so that its temperature undoes it.
        """
        tempered = rows.get("temperature", pd.Series(1.0, index=rows.index)).to_numpy(dtype=float)
        values = rows[self.columns].to_numpy(dtype=float)
        powers = values ** tempered[:, None]
        total = powers.sum(axis=1, keepdims=True)
        share = np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)
        before = rows.copy()
        before[self.columns] = share * values.sum(axis=1, keepdims=True)
        return before

    def _normalised(self, clips: pd.DataFrame) -> pd.DataFrame:
        """Scores of a clip to probabilities; a clip with no score at all is a uniform guess."""
        values = clips[self.columns].to_numpy(dtype=float)
        total = values.sum(axis=1, keepdims=True)
        even = np.full_like(values, 1 / len(self.columns))
        shares = np.divide(values, total, out=even, where=total > 0)
        return clips.assign(**pd.DataFrame(shares, columns=self.columns, index=clips.index))
