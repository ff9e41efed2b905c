"""What a protocol gets, and what it hands on: scores of clips that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.backbones.store import Features
from faunashot.classifiers.heads import Head, make_head
from faunashot.errors import SplitError
from faunashot.evaluation.metrics import pool_windows
from faunashot.systems.catalogue import System

P = "p_"
"""Prefix of the columns that hold class probabilities."""


class WindowTable:
    """Windows of a corpus by clip.

    Parameters
    ----------
    clips : columns clip_id, label, fold, group; one row a clip.
    features : of the same corpus; every clip has windows in it.
    """

    def __init__(self, clips: pd.DataFrame, features: Features) -> None:
        self.clips = clips.reset_index(drop=True)
        self.windows = features.windows
        self._index = features.index
        at = {
            str(clip_id): np.asarray(rows)
            for clip_id, rows in features.index.groupby("clip_id", sort=False).indices.items()
        }
        missing = [i for i in self.clips["clip_id"] if i not in at]
        if missing:
            raise SplitError(f"no features for {missing[0]} and {len(missing) - 1} further clips")
        self._rows = at
        self._covered_s = (features.index["end_s"] - features.index["start_s"]).to_numpy()
        self._label = dict(zip(self.clips["clip_id"], self.clips["label"], strict=True))

    @property
    def classes(self) -> list[str]:
        """Labels that occur, sorted."""
        return sorted(set(self._label.values()))

    def rows(self, clip_ids: Sequence[str]) -> npt.NDArray[np.intp]:
        """Rows of the windows of the clips, in their order."""
        parts = [self._rows[i] for i in clip_ids]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.intp)

    def of(self, clip_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Windows of the clips, (N, dim)."""
        return np.asarray(self.windows[self.rows(clip_ids)])

    def learn(
        self, clip_ids: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any], npt.NDArray[np.float64]]:
        """Windows (N, dim), labels (N,) and weights (N,) to learn from.

        A clip weighs 1, shared among its windows by the seconds of it that each covers.
        """
        labels = np.concatenate([[self._label[i]] * len(self._rows[i]) for i in clip_ids])
        shares = [self._covered_s[self._rows[i]] for i in clip_ids]
        return self.of(clip_ids), labels, np.concatenate([s / s.sum() for s in shares])

    def held_out(
        self,
        clip_ids: Sequence[str],
        scores: npt.NDArray[Any],
        classes: Sequence[str],
        **run: Any,
    ) -> pd.DataFrame:
        """Table of window scores: `run`, clip_id, label, group, start_s, end_s, ``p_`` columns."""
        index = self._index.iloc[self.rows(clip_ids)].reset_index(drop=True)
        facts = self.clips.set_index("clip_id").loc[index["clip_id"], ["label", "group"]]
        table = pd.concat([index, facts.reset_index(drop=True)], axis=1).assign(**run)
        columns = [P + name for name in classes]
        return pd.concat([table, pd.DataFrame(scores, columns=columns)], axis=1)


def decide(windows: pd.DataFrame, classes: Sequence[str]) -> pd.Series:
    """The class with the highest score of each clip of a held-out table, by clip id."""
    columns = [P + name for name in classes]
    pooled = pool_windows(windows, columns, weight=windows["end_s"] - windows["start_s"])
    best = pooled[columns].to_numpy().argmax(axis=1)
    return pd.Series(np.asarray(classes)[best], index=pooled["clip_id"])


@dataclass(frozen=True)
class Task:
    """What a protocol works on.

    Attributes
    ----------
    target : the corpus that is scored.
    source : the corpus that may be learned from beside it; may hold no clips.
    system : head, settings and grid.
    seed : of everything that is drawn.
    """

    target: WindowTable
    source: WindowTable
    system: System
    seed: int

    def head(self, **settings: Any) -> Head:
        """An unfitted head, with the system's settings where none are given."""
        chosen = {**self.system.settings, **settings}
        return make_head(self.system.head, seed=self.seed, **chosen)


@dataclass(frozen=True)
class Outcome:
    """What a protocol hands on.

    Attributes
    ----------
    held_out : scores of windows of clips that the head had not seen; columns k (labelled clips a
        class), episode (-1 where nothing is drawn), fold, and those of `WindowTable.held_out`.
    classes : target classes, in the order of the ``p_`` columns.
    headline_k : the k whose figures are the run's.
    head : fitted head to be served; takes embeddings, or the backbone's own scores.
    takes : "embeddings" or "scores".
    facts : what else is worth saying, JSON-ready.
    notes : one line each, for the person who runs it.
    """

    held_out: pd.DataFrame
    classes: list[str]
    headline_k: int
    head: Any
    takes: str = "embeddings"
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
