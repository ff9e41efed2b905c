"""What could be labelled next: windows or recordings, as a model hears them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.examples import clip_means
from faunashot.estimators.steps import Steps
from faunashot.features.join import join
from faunashot.features.store import Features
from faunashot.progress import tracked
from faunashot.recogniser import Recogniser
from faunashot.search.known import Known
from faunashot.search.strategies import STRATEGIES
from faunashot.search.strategies.base import Pool
from faunashot.systems.record import BackboneRecord
from faunashot.targets import join_names

By = Literal["window", "recording"]

MOST = 50_000
"""Candidates whose distances are looked at; of more, so many are drawn."""

MOST_LABELLED = 2_000
"""Labelled ones that distances are taken to; of more, so many are drawn."""

SHAPE = ("power", "centre", "unit")
"""Steps before distances are taken, as before the heads that learn from few labels."""


@dataclass(frozen=True)
class Candidates:
    """Windows or recordings in the order of the features.

    Attributes
    ----------
    table : DataFrame
        A row each: file, start_s, end_s, group, label (the most probable), probability, and known
        (whether it has a label already).
    probabilities : ndarray, shape (N, C)
    embeddings : array-like, shape (N, dim)
        Read where they are needed.
    multi_label : bool
    """

    table: pd.DataFrame
    probabilities: Any
    embeddings: Any
    multi_label: bool

    def suggested(self, n: int, *, strategy: str, seed: int = 0) -> pd.DataFrame:
        """The rows of `table` that a strategy chooses, the most wanted first.

        Parameters
        ----------
        n : int
        strategy : str
            One of `faunashot.search.strategies.STRATEGIES`.
        seed : int
            Of what is drawn.

        Raises
        ------
        ParameterError
            There are fewer than n without a label, or there is no such strategy.
        """
        chooser = STRATEGIES[strategy]()
        rng = np.random.default_rng(seed)
        known = self.table["known"].to_numpy()
        free, labelled = np.flatnonzero(~known), np.flatnonzero(known)
        if len(free) < n:
            beside = f" beside {len(labelled)} that have a label" if len(labelled) else ""
            raise ParameterError(f"--n {n}: there are {len(free)} to choose from{beside}")
        rows, others = np.zeros((len(free), 0)), np.zeros((0, 0))
        if chooser.needs_distances:
            free, labelled = _drawn(free, max(n, MOST), rng), _drawn(labelled, MOST_LABELLED, rng)
            shape = Steps(SHAPE).fit(self.embeddings[free])
            rows = shape.transform(self.embeddings[free])
            others = shape.transform(self.embeddings[labelled]) if len(labelled) else rows[:0]
        groups = self.table["group"].to_numpy(dtype=str)[free]
        pool = Pool(self.probabilities[free], rows, groups, others, multi_label=self.multi_label)
        chosen = chooser.choose(pool, n, rng=rng)
        return self.table.iloc[free[chosen]].assign(uncertainty=pool.uncertainty[chosen])


def joined_for(recogniser: Recogniser, given: Sequence[Features]) -> Features:
    """Features of the backbones that a model reads, side by side.

    Raises
    ------
    StoreError
        They are not those of the model, or hold no window.
    """
    parts = []
    for listed in recogniser.record.backbones:
        of = [each for each in given if _are_of(each, listed)]
        if not of:
            here = ", ".join(str(each.spec) for each in given)
            raise StoreError(
                f"the model reads features of {listed.name} {listed.version} (weights "
                f"{listed.weights_hash[:12]}{_layer(listed)}), and these are of {here}"
            )
        parts.append(of[0])
    features = join(parts)
    if not len(features.index):
        raise StoreError("the features hold no window: there is nothing to label")
    return features


def candidates(
    features: Features,
    recogniser: Recogniser,
    *,
    by: By,
    known: Known,
    hashes: Mapping[str, str] | None = None,
    root: str = "",
) -> Candidates:
    """Let a model hear the windows of features.

    Parameters
    ----------
    features : Features
        Of `joined_for`.
    recogniser : Recogniser
    by : "window" or "recording"
        What is labelled at once.
    known : Known
    hashes : mapping of str to str, optional
        SHA-256 of recordings by the name that the features have for them.
    root : str
        What comes before such a name in the name of a file.
    """
    rows_of: Any = features.index.groupby("clip_id", sort=False).indices
    start_s, end_s = (features.index[name].to_numpy() for name in ("start_s", "end_s"))
    probabilities, tables = [], []
    names = list(rows_of)
    whole = known.of_recordings(names, hashes or {})
    whole |= known.of_recordings([root + name for name in names], {})
    for name, is_whole in tracked(zip(names, whole, strict=True), "listening", total=len(names)):
        rows, file = rows_of[name], root + name
        found = recogniser.scores(_of_rows(features, rows))
        if by == "recording":
            starts, ends = start_s[rows].min(keepdims=True), end_s[rows].max(keepdims=True)
            scores = found.clips
        else:
            starts, ends, scores = start_s[rows], end_s[rows], found.windows
        in_part = known.overlap(name, starts, ends) | known.overlap(file, starts, ends)
        probabilities.append(scores)
        group = known.group_of.get(name, name)
        is_known = is_whole | in_part
        tables.append(
            {"file": file, "start_s": starts, "end_s": ends, "group": group, "known": is_known}
        )
    every = np.concatenate(probabilities)
    table = pd.concat([pd.DataFrame(each) for each in tables], ignore_index=True)
    classes = np.array(recogniser.classes, dtype=object)
    multi_label = recogniser.record.multi_label
    labels = [
        join_names(classes[row >= 0.5]) if multi_label else classes[row.argmax()] for row in every
    ]
    table = table.assign(label=labels, probability=every.max(axis=1))
    embeddings: Any = features.windows
    if by == "recording":
        counts = np.array([len(rows) for rows in rows_of.values()])
        embeddings = clip_means(features, np.concatenate(list(rows_of.values())), counts)
    else:
        embeddings = _Reordered(features.windows, np.concatenate(list(rows_of.values())))
    return Candidates(table, every, embeddings, multi_label)


class _Reordered:
    """Rows of features in another order, read when they are asked for."""

    def __init__(self, windows: Any, rows: Any) -> None:
        self._windows, self._rows = windows, rows

    def __getitem__(self, at: Any) -> Any:
        return np.asarray(self._windows[self._rows[at]])


def _of_rows(features: Features, rows: Any) -> Features:
    return replace(
        features,
        windows=np.asarray(features.windows[rows]),
        index=features.index.iloc[rows].reset_index(drop=True),
    )


def _drawn(rows: Any, n: int, rng: np.random.Generator) -> Any:
    """At most n of some rows, in their order."""
    return rows if len(rows) <= n else np.sort(rng.choice(rows, n, replace=False))


def _are_of(features: Features, listed: BackboneRecord) -> bool:
    spec = features.spec
    return (spec.backbone, spec.layer, spec.weights_hash) == (
        listed.name,
        listed.layer,
        listed.weights_hash,
    )


def _layer(listed: BackboneRecord) -> str:
    return f", layer {listed.layer}" if listed.layer else ""
