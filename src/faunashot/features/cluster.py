"""The same shards over a cluster: Ray Data hands them to actors, and retries what a node loses.

Whoever writes a shard writes the same bytes under the same name, so one that is written twice,
because its node died before it could tell, is there once.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from faunashot.errors import ParameterError, StoreError
from faunashot.features.engine import Done, Engine, ShardIndex, write_shards
from faunashot.features.extractors import extractor
from faunashot.features.plan import Plan, Shard
from faunashot.storage import Storage


def ray_actors(name: str, options: dict[str, Any], *, actors: int | None = None) -> Engine:
    """Actors on the cluster that ``RAY_ADDRESS`` names, or on one of this machine.

    Each holds the backbone once and takes one processor. Recordings and the store have to be
    reached under the same names from all nodes.

    Parameters
    ----------
    name, options : of the backbone, as `extractor` takes them.
    actors : how many at most; as many as the cluster has processors if not given.

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
        shards: Sequence[Shard], plan: Plan, place: Storage, there: ShardIndex
    ) -> Iterator[Done]:
        if not ray.is_initialized():
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        processors = int(ray.cluster_resources().get("CPU", 1))
        rows = ray.data.from_items(
            [{"shard": shard, "there": there.only(shard)} for shard in shards],
            override_num_blocks=len(shards),
        )
        done = rows.map(
            _Writer,
            fn_constructor_args=(name, options, dataclasses.replace(plan, shards=()), str(place)),
            concurrency=(1, min(actors or processors, len(shards))),
            num_cpus=1,
        )
        try:
            for row in done.iter_rows():
                yield Done(row["seconds"], row["embedded"], {row["planned"]: row["wrote"]})
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise StoreError(f"{place}: a worker of ray failed: {reason}") from error

    return run


class _Writer:
    """An actor: one model, and a shard at a time."""

    def __init__(self, name: str, options: dict[str, Any], plan: Plan, url: str) -> None:
        self._backbone: Any = extractor(name, options=options)
        self._plan, self._url = plan, url

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        place = Storage(self._url)
        # two threads on its one processor: one may wait for the disk or the network
        work = ([row["shard"]], self._plan, place, row["there"], self._backbone)
        steps = list(write_shards(*work, workers=2))
        ((planned, wrote),) = steps[-1].wrote.items()
        return {
            "planned": planned,
            "wrote": wrote,
            "seconds": sum(step.seconds for step in steps),
            "embedded": sum(step.embedded for step in steps),
        }
