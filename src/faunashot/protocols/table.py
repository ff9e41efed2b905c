"""Clips and windows of a corpus with their features, and tables of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import SplitError
from faunashot.estimators.examples import Examples
from faunashot.estimators.heads.logistic import Support
from faunashot.features.store import Features, FeatureSpec

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
        at = {
            str(clip_id): np.asarray(rows)
            for clip_id, rows in features.index.groupby("clip_id", sort=False).indices.items()
        }
        missing = [i for i in self.clips["clip_id"] if i not in at]
        if missing:
            raise SplitError(f"no features for {missing[0]} and {len(missing) - 1} further clips")
        self._rows = at
        self._features = features
        self._end_s = features.index["end_s"].to_numpy()
        self._covered_s = self._end_s - features.index["start_s"].to_numpy()
        self._label = dict(zip(self.clips["clip_id"], self.clips["label"], strict=True))
        self._groups = self.clips["group"].to_numpy(dtype=str)
        self._at = {clip_id: at for at, clip_id in enumerate(self.clips["clip_id"])}

    @property
    def classes(self) -> list[str]:
        """Labels that occur, sorted."""
        return sorted(set(self._label.values()))

    @property
    def blocks(self) -> tuple[int, ...]:
        """Widths of the backbones' parts of a row."""
        return self._features.maker.blocks or (self._features.maker.dim,)

    def rows(self, clip_ids: Sequence[str]) -> npt.NDArray[np.intp]:
        """Rows of the windows of the clips, in their order."""
        parts = [self._rows[i] for i in clip_ids]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.intp)

    def none(self) -> WindowTable:
        """The table of no clips."""
        return WindowTable(self.clips.iloc[:0], self._features)

    def of(self, clip_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Windows of the clips, (N, dim)."""
        return np.asarray(self.windows[self.rows(clip_ids)])

    @property
    def maker(self) -> FeatureSpec:
        """What made the features."""
        return self._features.maker

    def counts(self, clip_ids: Sequence[str]) -> list[int]:
        """Windows of each clip."""
        return [len(self._rows[i]) for i in clip_ids]

    def labels(self, clip_ids: Sequence[str]) -> npt.NDArray[np.str_]:
        """Labels of the clips, (n,)."""
        return np.asarray([self._label[i] for i in clip_ids], dtype=str)

    def means(self, clip_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Mean of each clip's windows, (n, dim), by the seconds of it that each covers."""
        return self._means[[self._at[i] for i in clip_ids]]

    @cached_property
    def _means(self) -> npt.NDArray[np.float32]:
        means = np.zeros((len(self.clips), self._features.maker.dim), np.float32)
        for at, clip_id in enumerate(self.clips["clip_id"]):
            rows = self._rows[clip_id]
            covered_s = self._covered_s[rows]
            means[at] = covered_s @ self.windows[rows].astype(np.float64) / covered_s.sum()
        return means

    def some(
        self, clip_ids: Sequence[str], n: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """At most `n` windows of each clip, evenly apart, and the clip that each is of."""
        picked = []
        for clip_id in clip_ids:
            rows = self._rows[clip_id]
            picked.append(rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int)])
        of = np.repeat(np.arange(len(picked)), [len(rows) for rows in picked])
        return np.asarray(self.windows[np.concatenate(picked)]), of

    def groups(self, clip_ids: Sequence[str]) -> npt.NDArray[np.str_]:
        """Recordings that the clips are of, (n,)."""
        return self._groups[[self._at[i] for i in clip_ids]]

    def learn(self, clip_ids: Sequence[str]) -> Support:
        """Windows to learn from, for what learns from windows.

        A clip weighs 1, shared among its windows by the seconds of it that each covers.
        """
        labels = np.repeat(self.labels(clip_ids), self.counts(clip_ids))
        shares = [self._covered_s[self._rows[i]] for i in clip_ids]
        weight = np.concatenate([s / s.sum() for s in shares])
        return Support(self.of(clip_ids), labels, weight)

    def examples(self, clip_ids: Sequence[str]) -> Examples:
        """The clips as what is learned from."""
        return Examples(
            clip_ids=tuple(clip_ids),
            labels=self.labels(clip_ids),
            groups=self.groups(clip_ids),
            classes=tuple(self.classes),
            multi_label=False,
            features=self._features,
            rows=self.rows(clip_ids),
            counts=np.asarray(self.counts(clip_ids)),
        )

    def held_out(
        self,
        clip_ids: Sequence[str],
        scores: npt.NDArray[Any],
        classes: Sequence[str],
        **run: Any,
    ) -> pd.DataFrame:
        """Table of window scores: `run`, clip_id, label, group, start_s, end_s, ``p_`` columns."""
        index = self._features.index.iloc[self.rows(clip_ids)].reset_index(drop=True)
        return self._table(index, scores, classes, run)

    def held_out_clips(
        self,
        clip_ids: Sequence[str],
        scores: npt.NDArray[Any],
        classes: Sequence[str],
        **run: Any,
    ) -> pd.DataFrame:
        """The same table of scores of whole clips, one row each."""
        end_s = [self._end_s[self._rows[i]].max() for i in clip_ids]
        index = pd.DataFrame({"clip_id": list(clip_ids), "start_s": 0.0, "end_s": end_s})
        return self._table(index, scores, classes, run)

    def _table(
        self,
        index: pd.DataFrame,
        scores: npt.NDArray[Any],
        classes: Sequence[str],
        run: dict[str, Any],
    ) -> pd.DataFrame:
        at = [self._at[i] for i in index["clip_id"]]
        facts = self.clips[["label", "group"]].iloc[at].reset_index(drop=True)
        table = pd.concat([index, facts], axis=1).assign(**run)
        columns = [P + name for name in classes]
        return pd.concat([table, pd.DataFrame(scores, columns=columns)], axis=1)
