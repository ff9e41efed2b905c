"""few_shot for networks: one is trained for each draw of labelled clips and each k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from faunashot.data.splits import held_back
from faunashot.errors import ParameterError
from faunashot.estimators.temperature import Tempered
from faunashot.estimators.training.classifier import NetworkClassifier
from faunashot.params import ProtocolParams
from faunashot.protocols.base import Outcome, Task
from faunashot.protocols.few_shot import FINAL, Episode, draw, notes, refuse_too_few
from faunashot.protocols.networks import scored, together, trained


def run(task: Task, params: ProtocolParams) -> Outcome:
    """Draw the supports that heads would learn from; a fifth of each says when to stop.

    Raises
    ------
    ParameterError
        There is a source corpus, k is less than the system needs, or a class has fewer than k
        clips.
    SplitError
        A class is absent from the training folds of a test fold.
    """
    if task.learns_source:
        raise ParameterError(
            f"source: {task.system.name} learns from the corpus that is scored alone; set "
            "source=none"
        )
    least = task.system.least_k
    if params.k < least:
        raise ParameterError(
            f"protocol.k: {params.k}; {task.system.name} trains a whole network, which needs "
            f"{least} labelled clips a class or more"
        )
    splits, classes = task.splits(), task.target.classes
    refuse_too_few(task, params.k)
    task.refuse_unlearnable(splits)
    k_values = [k for k in params.k_values if k >= least]
    each = [draw(task, params, splits.split(n), n) for n in range(params.episodes)]
    of_k = {}
    for k in k_values:
        parts = []
        for episode in each:
            where = {"k": k, "episode": episode.number, "fold": episode.split.name}
            found = _trained(task, episode, k)
            test = episode.split.test
            parts.append(scored(task, found.network, found.temperature, test, **where))
        of_k[k] = together(parts)
    final = _trained(task, draw(task, params, None, FINAL), params.k)
    fewest = {c: min(len(episode.support.get(c, ())) for episode in each) for c in classes}
    left_out = sorted(set(params.k_values) - set(k_values))
    return Outcome(
        held_out=pd.concat([part.clips for part in of_k.values()], ignore_index=True),
        classes=classes,
        headline_k=params.k,
        head=Tempered(final.network, final.temperature),
        takes="windows",
        temperature={"value": final.temperature, "clips": len(final.validation)},
        windows=of_k[params.k].windows,
        heard={
            name: pd.concat([part.heard[name] for part in of_k.values()], ignore_index=True)
            for name in task.heard
        },
        facts={
            "episodes": params.episodes,
            "test_folds": len(splits),
            "learned_from": [*final.train, *final.validation],
        },
        notes=[
            *notes(fewest, k_values),
            *(f"k = {k} is left out: a network needs {least} clips a class" for k in left_out),
        ],
    )


class _Trained(NamedTuple):
    network: NetworkClassifier
    temperature: float
    train: Sequence[str]
    validation: Sequence[str]


def _trained(task: Task, episode: Episode, k: int) -> _Trained:
    clips = task.target.clips
    labelled = clips[clips["clip_id"].isin(episode.labelled(k))]
    train, validation = held_back(labelled, seed=task.seed)
    found = trained(task, train, validation, name=f"{episode.number}-k{k}")
    return _Trained(*found, train, validation)
