"""The head on all training folds; its settings chosen on the validation fold, per rotation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.model_selection import ParameterGrid

from faunashot.classifiers.heads import scores_of
from faunashot.corpora.splits import Split, Splits
from faunashot.params import ProtocolParams
from faunashot.protocols.base import Outcome, Task, decide


def run(task: Task, params: ProtocolParams) -> Outcome:
    """Rotate the folds: fit on three, choose on one, fit on all four, score the fifth."""
    splits = Splits(task.target.clips, seed=task.seed)
    classes = task.target.classes
    label = task.target.clips.set_index("clip_id")["label"]
    tables, chosen, per_class = [], [], []
    for split in splits:
        settings = _choose(task, split, classes)
        scores = _score(task, list(split.learnable), split.test, classes, settings)
        per_class.append(label.loc[list(split.learnable)].value_counts().mean())
        chosen.append({"fold": split.name, **settings})
        where = {"k": round(float(per_class[0])), "episode": -1, "fold": split.name}
        tables.append(task.target.held_out(split.test, scores, classes, **where))
    everything = task.target.clips["clip_id"].tolist()
    windows, labels, weight = task.target.learn(everything)
    final = _most_frequent([{k: v for k, v in c.items() if k != "fold"} for c in chosen])
    return Outcome(
        held_out=pd.concat(tables, ignore_index=True),
        classes=classes,
        headline_k=round(float(per_class[0])),
        head=task.head(**final).fit(windows, labels, sample_weight=weight),
        facts={"chosen": chosen, "served_with": final, "learned_from": everything},
        notes=_notes(task, splits),
    )


def _choose(task: Task, split: Split, classes: list[str]) -> dict[str, Any]:
    """The grid's settings with the best macro-F1 on the validation fold; ties go to the first."""
    grid = list(ParameterGrid(task.system.grid))
    if len(grid) == 1 or not split.validation:
        return dict(task.system.settings)
    truth = task.target.clips.set_index("clip_id")["label"].loc[list(split.validation)]

    def quality(settings: dict[str, Any]) -> float:
        scores = _score(task, list(split.train), split.validation, classes, settings)
        rows = task.target.held_out(split.validation, scores, classes)
        guess = decide(rows, classes).loc[truth.index]
        return float(f1_score(truth, guess, average="macro", zero_division=0))

    best = max(grid, key=quality)
    return {key: best[key] for key in sorted(best)}


def _score(
    task: Task,
    train: list[str],
    test: tuple[str, ...],
    classes: list[str],
    settings: dict[str, Any],
) -> np.ndarray:
    windows, labels, weight = task.target.learn(train)
    head = task.head(**settings).fit(windows, labels, sample_weight=weight)
    return scores_of(head, task.target.of(test), classes)


def _most_frequent(settings: list[dict[str, Any]]) -> dict[str, Any]:
    return max(settings, key=settings.count)


def _notes(task: Task, splits: Splits) -> list[str]:
    notes = []
    clips = task.target.clips
    for split in splits:
        there = set(clips.loc[clips["clip_id"].isin(split.test), "label"])
        missing = sorted(set(task.target.classes) - there)
        if missing:
            notes.append(f"fold {split.name} has no clip of {', '.join(missing)}")
    return notes
