"""Recordings of none of the classes: what tells them, and how well it does on held-out clips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.estimators.unknown import Novelty, threshold_at
from faunashot.evaluation import MAIN
from faunashot.protocols.base import Outcome
from faunashot.protocols.support.table import P
from faunashot.protocols.support.task import Task
from faunashot.systems.record import UnknownThreshold


def with_unknown(task: Task, outcome: Outcome, *, false_alarm_rate: float) -> Outcome:
    """The outcome with a detector of the unknown, where the source corpus is background.

    In each episode or fold half of the kinds of background set up the detector and its threshold,
    and the other half is what it has to reject, so that the figures are of kinds of sound that it
    has not met. What is served has met all of them. A kind that is called as a class of the target
    is none: a cat would be unknown because of the cats in the background.

    Raises
    ------
    ParameterError
        There is no background of four kinds, two for each half, or no head on clips.
    """
    if task.transfer != "background":
        return outcome
    if task.target.multi_label:
        raise ParameterError(
            "protocol.transfer: background is for clips of one label, and those of this corpus "
            "carry several"
        )
    known = {name.casefold() for name in task.target.classes}
    kinds = [name for name in task.source.classes if name.casefold() not in known]
    if len(kinds) < 4 or not outcome.rotations:
        raise ParameterError(
            "protocol.transfer: background needs a source corpus of four kinds of sound or more "
            "that are called as none of the classes, and a system that learns from clips under "
            "few_shot or fine_tune"
        )
    order = np.random.default_rng(task.seed).permutation(kinds)
    halves = [set(order[::2]), set(order[1::2])]
    everything = task.source.clips["label"].isin(kinds)
    predicted = _predicted(outcome)
    tables = []
    for number, rotation in enumerate(outcome.rotations):
        met = task.source.clips["label"].isin(halves[number % 2])
        novelty, threshold = _detector(task, rotation.learned, met, false_alarm_rate)
        new = task.source.clips[everything & ~met]
        right = predicted.loc[[(rotation.episode, i) for i in rotation.tested]].to_numpy()
        group = task.target.clips.set_index("clip_id").loc[list(rotation.tested), "group"]
        for clips, groups, table, correct in (
            (rotation.tested, group.to_numpy(), task.target, right),
            (new["clip_id"].tolist(), new["group"].to_numpy(), task.source, False),
        ):
            score = novelty.score(table.means(clips)) - threshold
            rows = {"clip_id": list(clips), "group": groups, "score": score, "correct": correct}
            tables.append(pd.DataFrame(rows).assign(known=table is task.target))
    learned = outcome.learned_from
    novelty, threshold = _detector(task, learned, everything, false_alarm_rate)
    return replace(
        outcome,
        unknown=pd.concat(tables, ignore_index=True),
        novelty=novelty,
        threshold=UnknownThreshold(
            threshold=threshold,
            false_alarm_rate=false_alarm_rate,
            recordings=int(everything.sum()),
            background=", ".join(kinds),
        ),
    )


def _detector(
    task: Task, learned: Any, met: pd.Series, false_alarm_rate: float
) -> tuple[Novelty, float]:
    background = task.source.clips[met]
    novelty = Novelty(blocks=list(task.target.blocks)).fit(
        task.target.means(learned),
        task.target.labels(learned),
        background=task.source.means(background["clip_id"].tolist()),
        groups=background["label"].to_numpy(),
    )
    return novelty, threshold_at(novelty.background_scores_, false_alarm_rate)


def _predicted(outcome: Outcome) -> pd.Series:
    """Whether each tested clip is recognised at the headline k, by episode and clip id."""
    held_out = outcome.held_out
    rows = held_out[(held_out["k"] == outcome.headline_k) & (held_out["condition"] == MAIN)]
    columns = [P + name for name in outcome.classes]
    best = np.asarray(outcome.classes)[rows[columns].to_numpy().argmax(axis=1)]
    index = pd.MultiIndex.from_frame(rows[["episode", "clip_id"]])
    return pd.Series(best == rows["label"].to_numpy(), index=index)
