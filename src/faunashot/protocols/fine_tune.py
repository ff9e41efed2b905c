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

from faunashot.data.splits import Split, held_back
from faunashot.estimators.heads.base import scores_of
from faunashot.estimators.temperature import Tempered, temper
from faunashot.estimators.training.classifier import classifier
from faunashot.protocols.base import Learn, Outcome, Rotation, Task, class_temperature
from faunashot.protocols.networks import Scored, scored, together, trained
from faunashot.protocols.table import WindowTable


def run(task: Task) -> Outcome:
    """Rotate the folds: learn on three, choose on one, score the fifth."""
    splits = task.splits()
    task.refuse_unlearnable(splits)
    each = list(splits)
    k = _clips_a_class(task, each)
    parts = [held_out(task, split, k=k) for split in each]
    both = together(parts)
    chosen = [{"fold": split.name, **part.facts} for split, part in zip(each, parts, strict=True)]
    head, served = _served(task, chosen)
    temperature = float(np.median([facts["temperature"] for facts in chosen]))
    of_heads = task.system.learns_from == "clips"
    return Outcome(
        held_out=both.clips,
        classes=task.target.classes,
        headline_k=k,
        head=Tempered(head, temperature),
        temperature={"value": temperature, "clips": sum(len(s.validation) for s in each)},
        takes=task.system.learns_from,
        windows=both.windows,
        heard=both.heard,
        rotations=[Rotation(-1, s.learnable, s.test) for s in each if of_heads],
        facts={
            "chosen": chosen,
            "served_with": served,
            "learned_from": task.target.clips["clip_id"].tolist(),
        },
        notes=_notes(task, each),
    )


def _clips_a_class(task: Task, splits: Sequence[Split]) -> int:
    label = task.target.clips.set_index("clip_id")["label"]
    return round(float(label.loc[list(splits[0].learnable)].value_counts().mean()))


def held_out(task: Task, split: Split, *, k: int = -1) -> Scored:
    """Scores of the test fold of one split."""
    where: dict[str, Any] = {"k": k, "episode": -1, "fold": split.name}
    if task.system.learns_from == "windows":
        found = trained(task, split.train, split.validation, name=split.name)
        return scored(task, *found, split.test, **where)
    return _head(task, split, where)


def _head(task: Task, split: Split, where: dict[str, Any]) -> Scored:
    """Scores of the test fold and of its windows by a head on all other folds."""
    classes = task.target.classes
    settings, temperature = _choose(task, split)
    (head,) = task.fit([Learn(split.learnable)], **settings)

    def of_clips(table: WindowTable) -> pd.DataFrame:
        scores = temper(scores_of(head, table.means(split.test), classes), temperature)
        return table.held_out_clips(split.test, scores, classes, temperature=temperature, **where)

    of_windows = scores_of(head, task.target.of(split.test), classes)
    return Scored(
        clips=of_clips(task.target),
        windows=task.target.held_out(split.test, of_windows, classes, **where),
        heard={name: of_clips(table) for name, table in task.heard.items()},
        facts={"settings": settings, "temperature": temperature},
    )


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


def _served(task: Task, chosen: list[dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """What is served: learned from all clips, with what was chosen most often, or the median.

    A network that settles on nothing holds a fifth of the clips back, to stop on.
    """
    everything = task.target.clips["clip_id"].tolist()
    if task.system.learns_from == "windows":
        settled = classifier(task.system.head).settled(chosen)
        if settled is not None:
            return task.tuned(everything, (), name="all", **settled), settled
        network = task.tuned(*held_back(task.target.clips, seed=task.seed), name="all")
        return network, network.chosen()
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
