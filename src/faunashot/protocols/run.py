"""The protocol that parameters name: the run itself, and the same run under other conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from faunashot.backbones import registry
from faunashot.errors import StoreError
from faunashot.evaluation.summary import MAIN
from faunashot.features.store import FeatureSpec
from faunashot.params import Params, ProtocolParams
from faunashot.protocols import PROTOCOLS
from faunashot.protocols.base import Outcome, Protocol
from faunashot.protocols.support.leak import leakage_inflation
from faunashot.protocols.support.task import Task
from faunashot.protocols.support.unknown import with_unknown

TARGET_ONLY, EQUALISED = "target_only", "equalised"
"""Conditions: without the source corpus, and with the recorder hidden. A task brings others."""


def run_protocol(
    task: Task, params: Params, made_by: FeatureSpec, *, equalised: Task | None = None
) -> Outcome:
    """Run the protocol that `params` name on features that `made_by` made.

    Beside the run itself the same clips are scored, on the same episodes, under other conditions,
    a value each of the column ``condition`` of `Outcome.held_out`.

    Parameters
    ----------
    task : Task
    params : Params
    made_by : FeatureSpec
    equalised : Task, optional
        On features of recordings brought to one bandwidth, level and length.

    Raises
    ------
    StoreError
        The backbone is needed, and is not the one that made the features.
    """

    def backbone() -> Any:
        loaded = registry.load(params.backbone, **params.options_of(params.backbone))
        if FeatureSpec.of(loaded) != made_by:
            raise StoreError(
                f"features are stale: made by {made_by}, not by {FeatureSpec.of(loaded)}"
            )
        return loaded

    protocol, task = protocol_of(params.protocol), replace(task, backbone=backbone)
    # Heads are small: more BLAS threads than one only wait for each other.
    with threadpool_limits(1):
        outcome = protocol.run(task)
        others = _others(task, protocol, params, equalised)
        scored = {name: protocol.run(other).held_out for name, other in others.items()}
        conditions = [
            table.assign(condition=name)
            for name, table in (scored | outcome.test_conditions).items()
        ]
        held_out = pd.concat([outcome.held_out.assign(condition=MAIN), *conditions])
        outcome = replace(outcome, held_out=held_out)
        rate = params.protocol.false_alarm_rate
        outcome = with_unknown(task, outcome, false_alarm_rate=rate)
        # trained twice more over all folds, which is for what learns in an instant
        if not protocol.learns_target or task.kind.uses_validation or task.target.multi_label:
            return outcome
        return replace(outcome, leak=leakage_inflation(task))


def protocol_of(params: ProtocolParams) -> Protocol:
    """The protocol with its settings, as today's ``params.yaml`` has them in one block."""
    blocks: dict[str, dict[str, Any]] = {
        "few_shot": {
            "k_values": params.curve,
            "episodes": params.episodes,
            "source_clips": params.source_clips,
        },
        "zero_shot": {
            "mode": params.zero_shot,
            "class_map": params.class_map,
            "shuffles": params.shuffles,
        },
    }
    kind: type[Protocol] = PROTOCOLS[params.name]
    key = f"protocol.{params.name}"
    return kind(kind.Options.read(blocks.get(params.name, {}), key=key), k=params.k)


def _others(
    task: Task, protocol: Protocol, params: Params, equalised: Task | None
) -> Mapping[str, Task]:
    others: dict[str, Task] = {}
    if task.learns_source and params.protocol.name == "few_shot":
        others[TARGET_ONLY] = task.without_source()
    if equalised is not None:
        others[EQUALISED] = replace(equalised, backbone=task.backbone)
    if not protocol.learns_target:
        others |= {
            name: replace(task, target=table) for name, table in task.test_conditions.items()
        }
    return others
