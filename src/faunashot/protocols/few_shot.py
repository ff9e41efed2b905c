"""k labelled clips a class from the training folds, scored on the whole test fold."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from faunashot.data.splits import Split, draw_support
from faunashot.errors import ParameterError
from faunashot.estimators.heads.base import Head, scores_of
from faunashot.estimators.temperature import Tempered, temper
from faunashot.params import ProtocolParams
from faunashot.protocols.base import Learn, Outcome, Rotation, Task, class_temperature
from faunashot.protocols.table import WindowTable

FINAL = 2**31 - 1
"""Episode number that seeds the draw of the head that is served."""

CALIBRATION_FOLDS = 5
"""Parts of a support, each scored by a head on the others, that the temperature is fitted on."""


@dataclass(frozen=True)
class Episode:
    """One draw of labelled clips.

    Attributes
    ----------
    pool : clips of the training side, drawn from; what is not drawn is known without its label.
    support : clips of each class in drawn order, as many as the largest k.
    source : clips of the source corpus that are learned jointly.
    """

    number: int
    split: Split
    pool: tuple[str, ...]
    support: dict[str, list[str]]
    source: list[str]

    def labelled(self, k: int) -> list[str]:
        """The first k clips of each class."""
        return [i for ids in self.support.values() for i in ids[:k]]

    def learn(self, k: int) -> Learn:
        """What a head learns from at k."""
        labelled = self.labelled(k)
        known = set(labelled)
        unlabelled = [i for i in self.pool if i not in known]
        return Learn(labelled, self.source, unlabelled, balanced=True)


def run(task: Task, params: ProtocolParams) -> Outcome:
    """Draw `episodes` supports over the test folds in turn; score every k on each.

    The support for a smaller k is part of that for a larger one, so figures along the curve, and
    of two systems with one seed, are paired. Under joint transfer clips of the source corpus are
    learned as further classes, and left out when the target's classes are scored.

    Raises
    ------
    ParameterError
        A class has fewer than k clips.
    SplitError
        A class is absent from the training folds of a test fold.
    """
    splits, classes = task.splits(), task.target.classes
    refuse_too_few(task, params.k)
    task.refuse_unlearnable(splits)
    each = [draw(task, params, splits.split(n), n) for n in range(params.episodes)]
    tables = []
    heard: dict[str, list[pd.DataFrame]] = {name: [] for name in task.heard}
    for k in params.k_values:
        heads: list[Head] = task.fit([episode.learn(k) for episode in each])
        temperatures = _temperatures(task, each, k) if k == params.k else [1.0] * len(each)
        tables.append(_clips(task.target, each, heads, temperatures, k=k))
        for name, table in task.heard.items():
            heard[name].append(_clips(table, each, heads, temperatures, k=k))
        if k == params.k:
            windows = _windows(task, each, heads, k=k)
    fewest = {c: min(len(episode.support.get(c, ())) for episode in each) for c in classes}
    final = draw(task, params, None, FINAL)
    (head,) = task.fit([final.learn(params.k)])
    (temperature,) = _temperatures(task, [final], params.k)
    return Outcome(
        held_out=pd.concat(tables, ignore_index=True),
        classes=classes,
        headline_k=params.k,
        head=Tempered(head, temperature),
        temperature={"value": temperature, "clips": len(final.labelled(params.k))},
        windows=windows,
        heard={name: pd.concat(parts, ignore_index=True) for name, parts in heard.items()},
        rotations=[Rotation(e.number, e.labelled(params.k), e.split.test) for e in each],
        facts={
            "episodes": params.episodes,
            "test_folds": len(splits),
            "learned_from": final.labelled(params.k),
        },
        notes=notes(fewest, params.k_values),
    )


def refuse_too_few(task: Task, k: int) -> None:
    """Raise `ParameterError` where a class has fewer than k clips."""
    counts = task.target.clips["label"].value_counts()
    if counts.min() < k:
        raise ParameterError(
            f"protocol.k: {k}, but class {counts.idxmin()} has {counts.min()} clips; a larger k "
            "can only stand in protocol.curve, where such a class is learned from all of its clips"
        )


def draw(task: Task, params: ProtocolParams, split: Split | None, number: int) -> Episode:
    """The draw of an episode; without a split, from all clips."""
    rng = np.random.default_rng([task.seed, number])
    clips = task.target.clips
    if split is not None:
        clips = clips[clips["clip_id"].isin(split.learnable)]
    support = draw_support(clips, max(params.k_values), rng=rng)
    drawn = draw_support(task.source.clips, params.source_clips, rng=rng)
    source = [i for ids in drawn.values() for i in ids]
    nowhere = Split("all", (), (), ())
    return Episode(number, split or nowhere, tuple(clips["clip_id"]), support, source)


def _temperatures(task: Task, episodes: Sequence[Episode], k: int) -> list[float]:
    """Temperature of each episode's head, from its own labelled clips: no others are known.

    Each part of the support is scored by a head on the rest, clips of one recording together. With
    one clip a class there is no rest: 1.
    """
    parts = min(k, CALIBRATION_FOLDS)
    if parts < 2:
        return [1.0] * len(episodes)
    sets, left_out = [], []
    for episode in episodes:
        drawn = [ids[:k] for ids in episode.support.values()]
        numbers = [pd.factorize(task.target.groups(ids))[0] % parts for ids in drawn]
        for part in range(parts):
            out = {
                i for ids, n in zip(drawn, numbers, strict=True) for i in np.array(ids)[n == part]
            }
            learn = episode.learn(k)
            kept = [i for i in learn.labelled if i not in out]
            # a class of one clip has no other part to learn from: it stays
            lost = set(task.target.labels(sorted(out))) - set(task.target.labels(kept))
            kept += [i for i in sorted(out) if task.target.labels([i])[0] in lost]
            sets.append(learn._replace(labelled=kept))
            left_out.append(sorted(out - set(kept)))
    heads = task.fit(sets)
    classes = task.target.classes
    found = []
    for at in range(len(episodes)):
        span = slice(at * parts, (at + 1) * parts)
        pairs = [(h, ids) for h, ids in zip(heads[span], left_out[span], strict=True) if ids]
        scores = [scores_of(head, task.target.means(ids), classes) for head, ids in pairs]
        ids = [i for _, of_part in pairs for i in of_part]
        found.append(class_temperature(task.target, ids, np.concatenate(scores)) if ids else 1.0)
    return found


def _clips(
    table: WindowTable,
    episodes: Sequence[Episode],
    heads: Sequence[Head],
    temperatures: Sequence[float],
    *,
    k: int,
) -> pd.DataFrame:
    """Tempered scores of the test clips, as they are in `table`."""
    classes = table.classes
    scores = [
        temper(scores_of(head, table.means(episode.split.test), classes), temperature)
        for episode, head, temperature in zip(episodes, heads, temperatures, strict=True)
    ]
    where = _where(episodes, scores, k=k, temperature=temperatures)
    tested = [i for episode in episodes for i in episode.split.test]
    return table.held_out_clips(tested, np.concatenate(scores), classes, **where)


def _windows(
    task: Task, episodes: Sequence[Episode], heads: Sequence[Head], *, k: int
) -> pd.DataFrame:
    """Scores of the windows of the test clips."""
    classes = task.target.classes
    scores = [
        scores_of(head, task.target.of(episode.split.test), classes)
        for episode, head in zip(episodes, heads, strict=True)
    ]
    where = _where(episodes, scores, k=k)
    tested = [i for episode in episodes for i in episode.split.test]
    return task.target.held_out(tested, np.concatenate(scores), classes, **where)


def _where(
    episodes: Sequence[Episode], scores: Sequence[Sized], *, k: int, **more: Sequence[float]
) -> dict[str, Any]:
    """Columns that say where scores are from, `more` with one value an episode."""
    of = np.repeat(np.arange(len(episodes)), [len(rows) for rows in scores])
    facts = {
        "episode": [episode.number for episode in episodes],
        "fold": [episode.split.name for episode in episodes],
        **more,
    }
    return {"k": k, **{name: np.asarray(values)[of] for name, values in facts.items()}}


def notes(fewest: dict[str, int], k_values: Sequence[int]) -> list[str]:
    """One line a class that has fewer clips than are asked for."""
    return [
        f"class {label}: {n} clips in the training folds, fewer than k = {max(k_values)}; "
        "for a larger k all of them are used"
        for label, n in fewest.items()
        if n < max(k_values)
    ]
