"""k labelled clips a class from the training folds, scored on the whole test fold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from faunashot.classifiers.heads import Head, scores_of
from faunashot.corpora.splits import Split, Splits, draw_support
from faunashot.params import ProtocolParams
from faunashot.protocols.base import Outcome, Task

FINAL = 2**31 - 1
"""Episode number that seeds the draw of the head that is served."""


def run(task: Task, params: ProtocolParams) -> Outcome:
    """Draw `episodes` supports over the test folds in turn; score every k on each.

    The support for a smaller k is part of that for a larger one, so figures along the curve, and
    of two systems with one seed, are paired. Clips of the source corpus are learned jointly as
    further classes, and left out when the target's classes are scored.
    """
    splits = Splits(task.target.clips, seed=task.seed)
    classes = task.target.classes
    each = [(episode, splits.split(episode)) for episode in range(params.episodes)]
    pool = Parallel(n_jobs=-1, backend="threading")
    scored = pool(delayed(_episode)(task, params, split, number) for number, split in each)
    tables = [table for of_episode, _ in scored for table in of_episode]
    fewest = {label: min(counts.get(label, 0) for _, counts in scored) for label in classes}
    rng = np.random.default_rng([task.seed, FINAL])
    final = draw_support(task.target.clips, params.k, rng=rng)
    learned = [i for ids in final.values() for i in ids]
    return Outcome(
        held_out=pd.concat(tables, ignore_index=True),
        classes=classes,
        headline_k=params.k,
        head=_fit(task, learned, _draw_source(task, params.source_clips, rng)),
        facts={"episodes": params.episodes, "test_folds": len(splits), "learned_from": learned},
        notes=_notes(fewest, params.shots),
    )


def _episode(
    task: Task, params: ProtocolParams, split: Split, number: int
) -> tuple[list[pd.DataFrame], dict[str, int]]:
    """Held-out tables of one episode, one a k, and how many clips each class had to draw from."""
    rng = np.random.default_rng([task.seed, number])
    pool = task.target.clips[task.target.clips["clip_id"].isin(split.learnable)]
    support = draw_support(pool, max(params.shots), rng=rng)
    source = _draw_source(task, params.source_clips, rng)
    tables = []
    for k in params.shots:
        head = _fit(task, [i for ids in support.values() for i in ids[:k]], source)
        scores = scores_of(head, task.target.of(split.test), task.target.classes)
        where = {"k": k, "episode": number, "fold": split.name}
        tables.append(task.target.held_out(split.test, scores, task.target.classes, **where))
    return tables, {label: len(ids) for label, ids in support.items()}


def _draw_source(task: Task, n: int, rng: np.random.Generator) -> list[str]:
    drawn = draw_support(task.source.clips, n, rng=rng)
    return [i for ids in drawn.values() for i in ids]


def _fit(task: Task, target: Sequence[str], source: Sequence[str]) -> Head:
    parts = [task.target.learn(target)]
    if source:
        parts.append(task.source.learn(source))
    windows, labels, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    return task.head().fit(windows, labels, sample_weight=weight)


def _notes(fewest: dict[str, int], shots: Sequence[int]) -> list[str]:
    return [
        f"class {label}: {n} clips in the training folds, fewer than k = {max(shots)}; "
        "for a larger k all of them are used"
        for label, n in fewest.items()
        if n < max(shots)
    ]
