"""The protocols by name."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

from faunashot.backbones import registry
from faunashot.backbones.store import Maker
from faunashot.errors import StoreError
from faunashot.params import Params
from faunashot.protocols import few_shot, fine_tune, zero_shot
from faunashot.protocols.base import Outcome, Task


def run_protocol(task: Task, params: Params, made_by: Maker) -> Outcome:
    """Run the protocol that `params` name on features that `made_by` made.

    Raises
    ------
    StoreError
        The backbone is needed, and is not the one that made the features.
    """
    protocol = params.protocol
    # Heads are small: more BLAS threads than one only wait for each other.
    with threadpool_limits(1):
        if protocol.name == "few_shot":
            return few_shot.run(task, protocol)
        if protocol.name == "fine_tune":
            return fine_tune.run(task, protocol)
        if protocol.zero_shot == "assignment":
            return zero_shot.run(task, protocol)
    backbone = registry.load(params.backbone, **params.backbone_options())
    if Maker.of(backbone) != made_by:
        raise StoreError(f"features are stale: made by {made_by}, not by {Maker.of(backbone)}")
    return zero_shot.run(task, protocol, backbone=backbone)
