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
    refuse_without_ray()

    def run(
        shards: Sequence[Shard], plan: Plan, target: ShardTarget, known: ShardIndex
    ) -> Iterator[Progress]:
        without_shards = dataclasses.replace(plan, shards=(), listed=frozenset())
        rows = [{"shard": shard, "known": known.only(shard)} for shard in shards]
        given = load, without_shards, target
        for row in by_actors(_Actor, given, rows, actors=actors, folder=target.folder):
            yield row["progress"]

    return run


def refuse_without_ray() -> None:
    """Raise `ParameterError` where the package ray is not installed."""
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise ParameterError("--engine ray needs `pip install 'faunashot[ray]'`") from error


def by_actors(
    actor: type,
    given: Sequence[Any],
    rows: Sequence[dict[str, Any]],
    *,
    actors: int | None,
    folder: object,
) -> Iterator[dict[str, Any]]:
    """What actors make of rows, each row by one of them; a row whose node is lost is done again.

    Parameters
    ----------
    actor : type
        Called with a row; takes one processor.
    given : sequence
        What it is made with.
    rows : sequence of dict
    actors : int, optional
        How many at most; as many as the cluster has processors if not given.
    folder : object
        What to name in an error.

    Raises
    ------
    StoreError
        A worker has failed.
    """
    import ray
    import ray.data

    if not ray.is_initialized():
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    processors = int(ray.cluster_resources().get("CPU", 1))
    done = ray.data.from_items(list(rows), override_num_blocks=len(rows)).map(
        actor,
        fn_constructor_args=tuple(given),
        concurrency=(1, min(actors or processors, len(rows))),
        num_cpus=1,
    )
    try:
        yield from done.iter_rows()
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1]
        raise StoreError(f"{folder}: a worker of ray failed: {reason}") from error


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
