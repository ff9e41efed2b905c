"""All training folds: a head on the embedding, or the network itself, end to end.

What can be chosen (a head's settings, the epoch to stop at, the share of the start in a network's
weights, the temperature) is chosen on the validation fold, in every rotation anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import f1_score
from sklearn.model_selection import ParameterGrid

from faunashot.classifiers.heads import scores_of
from faunashot.classifiers.temperature import Tempered, temper
from faunashot.corpora.splits import Split
from faunashot.protocols.base import Learn, Outcome, Rotation, Task, class_temperature
from faunashot.protocols.table import WindowTable


def run(task: Task) -> Outcome:
    """Rotate the folds: learn on three, choose on one, score the fifth."""
    splits = task.splits()
    task.refuse_unlearnable(splits)
    each = list(splits)
    of_one = _network if task.system.learns_from == "windows" else _head
    label = task.target.clips.set_index("clip_id")["label"]
    per_class = label.loc[list(each[0].learnable)].value_counts().mean()
    where = {"k": round(float(per_class)), "episode": -1}
    tables, windows, chosen = [], [], []
    for split in each:
        clips, of_windows, facts = of_one(task, split, where | {"fold": split.name})
        tables.append(clips)
        windows.append(of_windows)
        chosen.append({"fold": split.name, **facts})
    head, served = _served(task, chosen)
    temperature = float(np.median([facts["temperature"] for facts in chosen]))
    return Outcome(
        held_out=pd.concat(tables, ignore_index=True),
        classes=task.target.classes,
        headline_k=int(where["k"]),
        head=Tempered(head, temperature),
        temperature={"value": temperature, "clips": sum(len(s.validation) for s in each)},
        takes=task.system.learns_from,
        windows=pd.concat(windows, ignore_index=True),
        rotations=[Rotation(-1, s.learnable, s.test) for s in each if of_one is _head],
        facts={
            "chosen": chosen,
            "served_with": served,
            "learned_from": task.target.clips["clip_id"].tolist(),
        },
        notes=_notes(task, each),
    )


def _head(
    task: Task, split: Split, where: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Scores of the test fold and of its windows by a head on all other folds."""
    table, classes = task.target, task.target.classes
    settings, temperature = _choose(task, split)
    (head,) = task.fit([Learn(split.learnable)], **settings)
    scores = temper(scores_of(head, table.means(split.test), classes), temperature)
    clips = table.held_out_clips(split.test, scores, classes, temperature=temperature, **where)
    of_windows = scores_of(head, table.of(split.test), classes)
    windows = table.held_out(split.test, of_windows, classes, **where)
    return clips, windows, {"settings": settings, "temperature": temperature}


def _choose(task: Task, split: Split) -> tuple[dict[str, Any], float]:
    """The grid's settings with the best macro-F1 on the validation fold; ties go to the first.

    With them the temperature of a head that has not learned from that fold.
    """
    if not split.validation:
        return dict(task.system.settings), 1.0
    grid = list(ParameterGrid(task.system.grid or {}))
    rows, truth = task.target.means(split.validation), task.target.labels(split.validation)
    best: tuple[float, dict[str, Any], npt.NDArray[np.float64]] | None = None
    for settings in grid:
        (head,) = task.fit([Learn(split.train)], **settings)
        scores = scores_of(head, rows, task.target.classes)
        guess = np.asarray(task.target.classes)[scores.argmax(axis=1)]
        quality = float(f1_score(truth, guess, average="macro", zero_division=0))
        if best is None or quality > best[0]:
            best = quality, {key: settings[key] for key in sorted(settings)}, scores
    assert best is not None
    return best[1], class_temperature(task.target, split.validation, best[2])


def _network(
    task: Task, split: Split, where: dict[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Scores of the test fold and of its windows by a network that the validation fold stopped.

    Clips are tempered once they are pooled: of sharper windows a few would outvote the others.
    """
    table, classes = task.target, task.target.classes
    network = task.tuned(split.train, split.validation, name=split.name)
    temperature = 1.0
    if split.validation:
        _, pooled = _pooled(network, table, split.validation)
        temperature = class_temperature(table, split.validation, pooled)
    of_windows, pooled = _pooled(network, table, split.test)
    scores = temper(pooled, temperature)
    clips = table.held_out_clips(split.test, scores, classes, temperature=temperature, **where)
    windows = table.held_out(split.test, of_windows, classes, **where)
    best = {"best_epoch": network.best_epoch_, "best_share": network.best_share_}
    return clips, windows, {**best, "temperature": temperature}


def _pooled(
    network: Any, table: WindowTable, clip_ids: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Scores of the windows of clips, (N, C), and of the clips, (n, C)."""
    held, counts = table.learn(clip_ids), table.counts(clip_ids)
    scores = scores_of(network, held.X, table.classes)
    first = np.cumsum([0, *counts[:-1]])
    return scores, np.add.reduceat(np.asarray(held.weight)[:, None] * scores, first)


def _served(task: Task, chosen: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """What is served: learned from all clips, with what was chosen most often, or the median."""
    everything = task.target.clips["clip_id"].tolist()
    if task.system.learns_from == "windows":
        median = {
            "stop_at": int(np.median([facts["best_epoch"] for facts in chosen])),
            "start_share": float(np.median([facts["best_share"] for facts in chosen])),
        }
        return task.tuned(everything, (), name="all", **median), median
    every = [facts["settings"] for facts in chosen]
    settings = max(every, key=every.count)
    (head,) = task.fit([Learn(everything)], **settings)
    return head, settings


def _notes(task: Task, splits: list[Split]) -> list[str]:
    notes = []
    for split in splits:
        missing = sorted(set(task.target.classes) - set(task.target.labels(split.test)))
        if missing:
            notes.append(f"fold {split.name} has no clip of {', '.join(missing)}")
    return notes
