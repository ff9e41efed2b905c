"""The protocols by name, the run itself and the same run under other conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from faunashot.backbones.base import load
from faunashot.errors import StoreError
from faunashot.evaluation import MAIN
from faunashot.features.extractors import of_layer
from faunashot.features.spec import FeatureSpec
from faunashot.params import Params
from faunashot.protocols import few_shot, few_shot_networks, fine_tune, zero_shot
from faunashot.protocols.base import Outcome, Task
from faunashot.protocols.leak import leakage_inflation
from faunashot.protocols.unknown import with_unknown


def run_protocol(
    task: Task,
    params: Params,
    made_by: FeatureSpec,
    *,
    altered: Mapping[str, Task] | None = None,
) -> Outcome:
    """Run the protocol that `params` name on features that `made_by` made.

    Beside the run itself the same clips are scored, on the same episodes, under other conditions,
    a value each of the column ``condition`` of `Outcome.held_out`.

    Parameters
    ----------
    altered : mapping of str to Task, optional
        The task under each condition that learns anew, by name.

    Raises
    ------
    StoreError
        The backbone is needed, and is not the one that made the features.
    """
    # Heads are small: more BLAS threads than one only wait for each other.
    with threadpool_limits(1):
        outcome = _run(task, params, made_by)
        outcome = replace(outcome, held_out=outcome.held_out.assign(condition=MAIN))
        others = _others(task, params, altered or {})
        scored = {name: _run(other, params, made_by).held_out for name, other in others.items()}
        conditions = [
            table.assign(condition=name) for name, table in (scored | outcome.heard).items()
        ]
        outcome = replace(outcome, held_out=pd.concat([outcome.held_out, *conditions]))
        outcome = with_unknown(task, outcome, params.protocol)
        if params.protocol.name == "zero_shot" or task.system.learns_from == "windows":
            return outcome
        return replace(outcome, facts={**outcome.facts, "leak": leakage_inflation(task)})


def _others(task: Task, params: Params, altered: Mapping[str, Task]) -> Mapping[str, Task]:
    others = dict(altered)
    if params.protocol.name == "zero_shot":  # which learns nothing of the target
        others |= {name: replace(task, target=heard) for name, heard in task.heard.items()}
    return others


def _run(task: Task, params: Params, made_by: FeatureSpec) -> Outcome:
    protocol = params.protocol
    if protocol.name == "few_shot":
        if task.system.learns_from == "windows":
            return few_shot_networks.run(task, protocol)
        return few_shot.run(task, protocol)
    if protocol.name == "fine_tune":
        return fine_tune.run(task)
    if protocol.zero_shot == "assignment":
        return zero_shot.run(task, protocol)
    backbone = load(params.backbone, **params.options_of(params.backbone))
    expected: Any = of_layer(backbone)
    if FeatureSpec.of(expected) != made_by:
        raise StoreError(
            f"features are stale: made by {made_by}, not by {FeatureSpec.of(expected)}"
        )
    return zero_shot.run(task, protocol, backbone=backbone, extra=protocol.class_map)
