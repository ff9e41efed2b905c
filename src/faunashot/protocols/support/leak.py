"""How leakage would inflate figures: one head scored with and without groups kept together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from faunashot.data.splits import Splits
from faunashot.errors import SplitError
from faunashot.evaluation.metrics import scores as label_scores
from faunashot.evaluation.significance import paired_runs
from faunashot.protocols.support.task import Learn, Task, clip_scores


def leakage_inflation(task: Task) -> dict[str, Any] | None:
    """Macro-F1 of the system's head over folds that keep groups together, and that do not.

    Both are made from the seed over all clips, so that nothing but the grouping differs, and both
    score each clip once. The head has its system's settings.

    Returns
    -------
    dict or None
        ``grouped``, ``leaking``, ``worth`` (their difference) with ``worth_low``, ``worth_high``
        by a paired bootstrap over groups; None where no group has several clips, or where the
        clips make no folds.
    """
    clips = task.target.clips.assign(fold=None)  # over made folds alone nothing but groups differ
    if not clips["group"].duplicated().any():
        return None
    try:
        splits = [
            Splits(clips, seed=task.seed, folds="grouped"),
            Splits(clips, seed=task.seed, folds="random"),
        ]
        runs = [_scored(task, one) for one in splits]
    except SplitError:
        return None
    found = paired_runs(runs[1], runs[0], task.target.classes, seed=task.seed)
    of = [label_scores(run["label"], run["predicted"], task.target.classes) for run in runs]
    value, low, high = found.macro_f1
    figures: dict[str, float | None] = {
        "grouped": of[0]["macro_f1"],
        "leaking": of[1]["macro_f1"],
        "worth": value,
    }
    figures |= {"worth_low": low, "worth_high": high}
    return {name: None if v is None else round(float(v), 4) for name, v in figures.items()}


def _scored(task: Task, splits: Splits) -> pd.DataFrame:
    """Every clip with the class that the head of its fold gave it."""
    each = list(splits)
    heads = task.fit([Learn(split.learnable) for split in each])
    group = task.target.clips.set_index("clip_id")["group"]
    classes = np.asarray(task.target.classes)
    rows = []
    for split, head in zip(each, heads, strict=True):
        scores = clip_scores(head, task.target.examples(split.test))
        rows.append(
            pd.DataFrame(
                {
                    "episode": -1,
                    "clip_id": split.test,
                    "group": group.loc[list(split.test)].to_numpy(),
                    "label": task.target.labels(split.test),
                    "predicted": classes[scores.argmax(axis=1)],
                }
            )
        )
    return pd.concat(rows, ignore_index=True)
