"""The same shards over a cluster: Ray Data hands them to actors, and retries what a node loses.

Whoever writes a shard writes the same bytes under the same name, so one that is written twice,
because its node died before it could tell, is there once. Chunks of equal content that are planned
in two shards may be embedded by two actors.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from faunashot.errors import ParameterError, StoreError
from faunashot.features.engine import Engine, Progress, ShardIndex, ShardTarget, write_shards
from faunashot.features.extractors import Extractor
from faunashot.features.plan import Plan, Shard


def ray_actors(load: Callable[[], Extractor], *, actors: int | None = None) -> Engine:
    """Actors on the cluster that ``RAY_ADDRESS`` names, or on one of this machine.

    Each holds the extractor once and takes one processor. Recordings, the cache and the features
    folder have to be reached under the same names from all nodes.

    Parameters
    ----------
    load : callable
        Gives the extractor, on the node that it is called on.
    actors : int, optional
        How many at most; as many as the cluster has processors if not given.

    Raises
    ------
    ParameterError
        The package ray is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ParameterError("--engine ray needs `pip install 'faunashot[ray]'`") from error

    def run(
        shards: Sequence[Shard], plan: Plan, target: ShardTarget, known: ShardIndex
    ) -> Iterator[Progress]:
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        processors = int(ray.cluster_resources().get("CPU", 1))
        rows = ray.data.from_items(
            [{"shard": shard, "known": known.only(shard)} for shard in shards],
            override_num_blocks=len(shards),
        )
        without_shards = dataclasses.replace(plan, shards=(), listed=frozenset())
        done = rows.map(
            _Actor,
            fn_constructor_args=(load, without_shards, target),
            concurrency=(1, min(actors or processors, len(shards))),
            num_cpus=1,
        )
        try:
            for row in done.iter_rows():
                yield row["progress"]
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise StoreError(f"{target.folder}: a worker of ray failed: {reason}") from error

    return run


class _Actor:
    """One extractor, and a shard at a time."""

    def __init__(self, load: Callable[[], Extractor], plan: Plan, target: ShardTarget) -> None:
        self._extractor, self._plan, self._target = load(), plan, target

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        # two threads on its one processor: one may wait for the disk or the network
        work = ([row["shard"]], self._plan, self._target, row["known"], self._extractor)
        steps = list(write_shards(*work, workers=2))
        seconds, embedded = (sum(getattr(s, name) for s in steps) for name in _SUMMED)
        return {"progress": dataclasses.replace(steps[-1], seconds=seconds, embedded=embedded)}


_SUMMED = ("seconds", "embedded")
