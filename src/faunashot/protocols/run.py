"""The protocol that parameters name: the run itself, and the same run under other conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from faunashot.backbones.base import load
from faunashot.errors import StoreError
from faunashot.evaluation import LEAKING, MAIN
from faunashot.features.extractors import of_layer
from faunashot.features.spec import FeatureSpec
from faunashot.params import Params
from faunashot.protocols.base import Outcome, protocol_of
from faunashot.protocols.support.leak import leakage_inflation
from faunashot.protocols.support.task import Task
from faunashot.protocols.support.unknown import with_unknown


def run_protocol(
    task: Task,
    params: Params,
    spec: FeatureSpec,
    *,
    altered: Mapping[str, Task] | None = None,
) -> Outcome:
    """Run the protocol that `params` name.

    Beside the run itself the same clips are scored, on the same episodes, under other conditions,
    a value each of the column ``condition`` of `Outcome.held_out`.

    Parameters
    ----------
    task : Task
    params : Params
    spec : FeatureSpec
        Of the target's features.
    altered : mapping of str to Task, optional
        The task under each condition that learns anew, by name.

    Raises
    ------
    StoreError
        The backbone is needed, and is not the one that made the features.
    """

    def backbone() -> Any:
        loaded = load(params.backbone, **params.options_of(params.backbone))
        source = replace(of_layer(loaded, loaded.class_layer), reading=spec.reading)
        if FeatureSpec.of(source) != spec:
            raise StoreError(f"features are stale: of {spec}, not of {source.name}")
        return loaded

    protocol, task = protocol_of(params), replace(task, backbone=backbone)
    # Heads are small: more BLAS threads than one only wait for each other.
    with threadpool_limits(1):
        outcome = protocol.run(task)
        others = {n: replace(other, backbone=backbone) for n, other in (altered or {}).items()}
        if not protocol.learns_target:
            others |= {n: replace(task, target=of) for n, of in task.test_conditions.items()}
        scored = {n: _of_the_run(protocol.run(of).held_out, outcome) for n, of in others.items()}
        conditions = [
            table.assign(condition=name)
            for name, table in (scored | outcome.test_conditions).items()
        ]
        held_out = pd.concat([outcome.held_out.assign(condition=MAIN), *conditions])
        outcome = replace(outcome, held_out=held_out)
        outcome = with_unknown(task, outcome, false_alarm_rate=params.unknown.false_alarm_rate)
        # trained twice more over all folds, which is for what learns in an instant
        if not protocol.learns_target or task.kind.uses_validation or task.target.multi_label:
            return outcome
        if LEAKING in scored:  # which says the same
            return outcome
        return replace(outcome, leak=leakage_inflation(task))


def _of_the_run(held_out: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    """Scores under a condition of the clips that the run itself scored, at its k.

    Random folds score every clip, also where the run has a fixed test part, and what is learned
    from in them is not as many clips a class.
    """
    found = held_out[held_out["clip_id"].isin(outcome.held_out["clip_id"])]
    if outcome.held_out["k"].nunique() > 1:
        return found
    return found.assign(k=outcome.headline_k)
