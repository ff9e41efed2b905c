"""Systems, variants and seeds over the same folds: each cell is trained once and kept."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from faunashot.evaluation.summary import MAIN
from faunashot.places import Place
from faunashot.protocols import fine_tune
from faunashot.protocols.base import Task
from faunashot.protocols.table import P
from faunashot.systems.catalogue import System


@dataclass(frozen=True)
class Cell:
    """A system that learns from all training folds, and is scored on each fold in turn.

    Attributes
    ----------
    name : of the system or of its variant.
    system : what is trained.
    backbone : whose features it takes.
    seed : of the folds and of all that is drawn.
    official : False to make folds even where the corpus has its own.
    """

    name: str
    system: System
    backbone: str
    seed: int
    official: bool

    def key(self, made_of: str) -> str:
        """What tells this cell from any other; `made_of` stands for the data."""
        facts = json.dumps([asdict(self), made_of], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:32]


def score(
    cells: Sequence[Cell],
    load: Callable[[Cell], Task],
    *,
    made_of: str,
    place: Place,
    workers: int,
) -> Iterator[tuple[Cell, pd.DataFrame]]:
    """Score cells in processes, each on one thread; gives them as they are done.

    What is in `place` already is not trained again, so that a run that was killed goes on.

    Parameters
    ----------
    load : gives the task of a cell; called in its process.
    made_of : hash of the data that `load` loads.
    place : folder of the tables.

    Yields
    ------
    The cell, and a row a scored clip: condition (``main``, or one of `Task.heard`), clip_id, group,
    label, predicted.
    """
    missing = []
    known = place.sizes()
    for cell in cells:
        name = f"{cell.key(made_of)}.parquet"
        if name in known:
            yield cell, pd.read_parquet(io.BytesIO(place.read(name)))
        else:
            missing.append(cell)
    run = Parallel(n_jobs=workers, return_as="generator_unordered")
    for at, table in run(delayed(_scored)(n, cell, load) for n, cell in enumerate(missing)):
        place.write(f"{missing[at].key(made_of)}.parquet", table.to_parquet(index=False))
        yield missing[at], table


def _scored(number: int, cell: Cell, load: Callable[[Cell], Task]) -> tuple[int, pd.DataFrame]:
    task = load(cell)
    if task.system.learns_from == "windows":  # processes share the processors
        one = {**task.system.settings, "threads": 1}
        task = replace(task, system=replace(task.system, settings=one))
    splits = task.splits()
    task.refuse_unlearnable(splits)
    parts = []
    with threadpool_limits(1):
        for split in splits:
            found = fine_tune.held_out(task, split)
            parts += [_decided(found.clips, MAIN)]
            parts += [_decided(table, name) for name, table in found.heard.items()]
    return number, pd.concat(parts, ignore_index=True)


def _decided(clips: pd.DataFrame, condition: str) -> pd.DataFrame:
    scores: Any = clips.filter(regex=f"^{P}")
    decided = scores.idxmax(axis=1).str.removeprefix(P)
    kept = clips[["clip_id", "group", "label"]]
    return kept.assign(predicted=decided, condition=condition)
