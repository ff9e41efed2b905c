"""The same over a cluster: Ray hands recordings to actors, and retries what a node loses.

Each actor writes the parts of its recordings, so what is there when the job is killed stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from faunashot.detection.job import Detector, Engine, Step
from faunashot.detection.parts import Parts
from faunashot.detection.survey import Recording
from faunashot.features.cluster import by_actors, refuse_without_ray

GROUP_S = 1800.0
"""Seconds of audio that are handed out at once, unless one recording is longer."""


def ray_actors(load: Callable[[], Detector], *, actors: int | None = None) -> Engine:
    """Actors on the cluster that ``RAY_ADDRESS`` names, or on one of this machine.

    Each holds the models once and takes one processor. Recordings, models and the folder of the
    detections have to be reached under the same names from all nodes.

    Parameters
    ----------
    load : callable
        Gives what detects, on the node that it is called on.
    actors : int, optional
        How many at most; as many as the cluster has processors if not given.

    Raises
    ------
    ParameterError
        The package ray is not installed.
    """
    refuse_without_ray()

    def run(recordings: Sequence[Recording], parts: Parts) -> Iterator[Step]:
        rows = [{"recordings": group} for group in _groups(recordings)]
        for row in by_actors(_Actor, (load, parts), rows, actors=actors, folder=parts.out):
            yield from row["steps"]

    return run


class _Actor:
    """The models, and a group of recordings at a time."""

    def __init__(self, load: Callable[[], Detector], parts: Parts) -> None:
        self._detector, self._parts = load(), parts

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        steps = list(self._detector(row["recordings"], self._parts))
        told = [step for step in steps if step.detected is not None or step.refused is not None]
        rest = sum(step.seconds for step in steps) - sum(step.seconds for step in told)
        return {"steps": [Step(rest), *told]}


def _groups(recordings: Sequence[Recording]) -> list[list[Recording]]:
    """Recordings in order, as many together as last `GROUP_S`."""
    groups: list[list[Recording]] = []
    total_s = GROUP_S
    for recording in recordings:
        if total_s >= GROUP_S:
            groups.append([])
            total_s = 0.0
        groups[-1].append(recording)
        total_s += recording.duration_s
    return groups
