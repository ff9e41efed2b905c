"""Clips and windows of a corpus with their features, and tables of their scores."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import SplitError
from faunashot.estimators.examples import Examples, clip_means, spans
from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features, Rows
from faunashot.targets import class_names, names_of

P = "p_"
"""Prefix of the columns that hold class probabilities."""


class WindowTable:
    """Windows of a corpus by clip.

    Parameters
    ----------
    clips : DataFrame
        Columns clip_id, label, fold, group; one row a clip.
    features : Features
        Of the same corpus; every clip has windows in it.
    multi_label : bool
        Whether a label holds class names joined by ``;``.
    """

    def __init__(
        self, clips: pd.DataFrame, features: Features, *, multi_label: bool = False
    ) -> None:
        self.clips = clips.reset_index(drop=True)
        self.features = features
        self.multi_label = multi_label
        ids = pd.Index(self.clips["clip_id"], dtype=object)
        clip_of = ids.get_indexer(pd.Index(features.index["clip_id"], dtype=object))
        self._rows = np.argsort(clip_of, kind="stable")[(clip_of < 0).sum() :]
        self._counts = np.bincount(clip_of[clip_of >= 0], minlength=len(self.clips))
        self._first = np.cumsum(self._counts) - self._counts
        missing = ids[self._counts == 0]
        if len(missing):
            raise SplitError(f"no features for {missing[0]} and {len(missing) - 1} further clips")
        self._labels = self.clips["label"].to_numpy(dtype=str)
        self._groups = self.clips["group"].to_numpy(dtype=str)
        self._at = {clip_id: at for at, clip_id in enumerate(self.clips["clip_id"])}

    @cached_property
    def classes(self) -> list[str]:
        """Classes that occur, sorted."""
        return class_names(self.clips["label"], multi_label=self.multi_label)

    @property
    def blocks(self) -> tuple[int, ...]:
        """Widths of the backbones' parts of a row."""
        return self.features.spec.blocks or (self.features.spec.dim,)

    @property
    def spec(self) -> FeatureSpec:
        """What made the features."""
        return self.features.spec

    def none(self) -> WindowTable:
        """The table of no clips."""
        return WindowTable(self.clips.iloc[:0], self.features, multi_label=self.multi_label)

    def at(self, clip_ids: Sequence[str]) -> npt.NDArray[np.intp]:
        """Numbers of clips, in their order."""
        return np.array([self._at[i] for i in clip_ids], dtype=np.intp)

    def examples(self, clip_ids: Sequence[str]) -> Examples:
        """The clips as what is learned from or scored."""
        return self.examples_at(self.at(clip_ids))

    def examples_at(self, at: npt.NDArray[np.intp]) -> Examples:
        """The clips of these numbers."""
        counts = self._counts[at]
        return Examples(
            clip_ids=tuple(self.clips["clip_id"].to_numpy(dtype=object)[at]),
            labels=self._labels[at],
            groups=self._groups[at],
            classes=tuple(self.classes),
            multi_label=self.multi_label,
            features=self.features,
            rows=self._rows[spans(self._first[at], counts)],
            counts=counts,
            corpus_means=self._means,
            at=at,
        )

    def means(self, clip_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Mean of each clip's windows, (n, dim), by the seconds of it that each covers."""
        return np.asarray(self._means[self.at(clip_ids)])

    @cached_property
    def _means(self) -> Any:
        return clip_means(self.features, self._rows, self._counts)

    def labels(self, clip_ids: Sequence[str]) -> npt.NDArray[np.str_]:
        """Labels of the clips, (n,)."""
        return self._labels[self.at(clip_ids)]

    def classes_of(self, clip_ids: Sequence[str]) -> set[str]:
        """Classes that occur among the clips."""
        return set(class_names(self.labels(clip_ids), multi_label=self.multi_label))

    def clips_by_class(self, clip_ids: Sequence[str] | None = None) -> dict[str, int]:
        """How many of the clips, of all if not given, are of each class."""
        labels = self._labels if clip_ids is None else self.labels(clip_ids)
        counts = dict.fromkeys(self.classes, 0)
        for label, n in zip(*np.unique(labels, return_counts=True), strict=True):
            for name in names_of(str(label), multi_label=self.multi_label):
                counts[name] += int(n)
        return counts

    def groups(self, clip_ids: Sequence[str]) -> npt.NDArray[np.str_]:
        """Recordings that the clips are of, (n,)."""
        return self._groups[self.at(clip_ids)]

    def held_out(
        self,
        clip_ids: Sequence[str],
        scores: npt.NDArray[Any],
        classes: Sequence[str],
        **run: Any,
    ) -> pd.DataFrame:
        """Table of window scores: `run`, clip_id, label, group, start_s, end_s, ``p_`` columns.

        And salience, where the corpus says it of its clips.
        """
        at = self.at(clip_ids)
        rows = self._rows[spans(self._first[at], self._counts[at])]
        index = self.features.index.iloc[rows].reset_index(drop=True)
        return self._table(index, np.repeat(at, self._counts[at]), scores, classes, run)

    def held_out_clips(
        self,
        clip_ids: Sequence[str],
        scores: npt.NDArray[Any],
        classes: Sequence[str],
        **run: Any,
    ) -> pd.DataFrame:
        """The same table of scores of whole clips, one row each."""
        at = self.at(clip_ids)
        index = pd.DataFrame({"clip_id": list(clip_ids), "start_s": 0.0, "end_s": self._ends_s[at]})
        return self._table(index, at, scores, classes, run)

    @cached_property
    def _ends_s(self) -> npt.NDArray[np.float64]:
        end_s = self.features.index["end_s"].to_numpy()[self._rows]
        return np.asarray(np.maximum.reduceat(end_s, self._first) if len(end_s) else end_s)

    @cached_property
    def _facts(self) -> list[str]:
        """Columns of clips that a table of scores has, too."""
        salience = "salience" in self.clips and self.clips["salience"].notna().any()
        return ["label", "group", *(["salience"] if salience else [])]

    def _table(
        self,
        index: pd.DataFrame,
        at: npt.NDArray[np.intp],
        scores: npt.NDArray[Any],
        classes: Sequence[str],
        run: dict[str, Any],
    ) -> pd.DataFrame:
        # made in one go: of many small tables, joining columns would take most of the time
        facts = {name: self.clips[name].array.take(at) for name in self._facts}
        of_class = {P + name: column for name, column in zip(classes, scores.T, strict=True)}
        columns: dict[str, Any] = {str(name): column for name, column in index.items()}
        return pd.DataFrame({**columns, **facts, **run, **of_class}, index=index.index)


def joined(first: WindowTable, second: WindowTable) -> WindowTable:
    """The clips of two corpora, those of the second numbered after those of the first.

    A clip id may be in both: ask for clips by number, with `WindowTable.examples_at`.
    """
    parts = (first, second)

    def apart(table: pd.DataFrame, number: int) -> pd.DataFrame:
        return table.assign(clip_id=f"{number}/" + table["clip_id"].astype(str))

    clips, index = (
        pd.concat([apart(of, number) for number, of in enumerate(tables)], ignore_index=True)
        for tables in ([p.clips for p in parts], [p.features.index for p in parts])
    )
    windows: Any = Rows([part.features.windows for part in parts])
    table = WindowTable(clips, Features(windows, index, first.spec), multi_label=first.multi_label)
    table.clips["clip_id"] = [i for part in parts for i in part.clips["clip_id"]]
    table.__dict__["_means"] = Rows([part._means for part in parts])
    return table
