"""Systems, variants and seeds over the same folds: each cell is trained once and kept."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import faunashot
from faunashot.data import Folds
from faunashot.evaluation import MAIN
from faunashot.features import store
from faunashot.features.join import join
from faunashot.features.names import BY
from faunashot.protocols import fine_tune
from faunashot.protocols.support.table import P, WindowTable
from faunashot.protocols.support.task import Task, Training
from faunashot.storage import Storage
from faunashot.systems.catalogue import System


@dataclass(frozen=True)
class Cell:
    """A system that learns from all training folds, and is scored on each fold in turn.

    Attributes
    ----------
    name : str
        Of the system or of its variant.
    system : System
        What is trained.
    backbone : str
        Whose features it takes.
    seed : int
        Of the folds and of all that is drawn.
    folds : str
        How the corpus is split, see `faunashot.data.splits.Splits`.
    """

    name: str
    system: System
    backbone: str
    seed: int
    folds: Folds

    def key(self, made_of: str) -> str:
        """What tells this cell from any other; `made_of` stands for the data.

        One that was scored by other code is another cell.
        """
        facts = json.dumps([asdict(self), made_of, _code()], sort_keys=True)
        return hashlib.sha256(facts.encode()).hexdigest()[:32]


@cache
def _code() -> str:
    """SHA-256 of the sources that a cell's scores depend on."""
    digest = hashlib.sha256()
    for room in ("audio", "estimators", "data", "features", "protocols", "systems"):
        for source in sorted(Path(faunashot.__file__).with_name(room).rglob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()


class Data(Protocol):
    """What the cells of a grid are scored on; it is sent to other processes."""

    @property
    def made_of(self) -> str:
        """A hash of it."""

    def task(self, cell: Cell) -> Task:
        """The task of a cell."""


@dataclass(frozen=True)
class Stores:
    """Features on disk.

    Attributes
    ----------
    clips : DataFrame
        Columns clip_id, label, fold, group.
    folders : mapping of str to mapping of str to Path
        Of the features of each backbone, by condition (``main``, and the test
        conditions) and backbone.
    noise : Path, optional
        Features of recordings of noise, where there are some.
    """

    clips: pd.DataFrame
    folders: Mapping[str, Mapping[str, Path]]
    noise: Path | None = None

    @property
    def made_of(self) -> str:
        """SHA-256 of clips, of the stores' lists of what they hold, and of the conditions."""
        digest = hashlib.sha256(pd.util.hash_pandas_object(self.clips).to_numpy().tobytes())
        every = [
            folder for _, of in sorted(self.folders.items()) for _, folder in sorted(of.items())
        ]
        for folder in [*every, *([self.noise] if self.noise else [])]:
            digest.update((folder / store.META).read_bytes())
        digest.update(json.dumps(sorted(self.folders)).encode())
        return digest.hexdigest()

    def task(self, cell: Cell) -> Task:
        """The task of a cell on the backbones that it names."""
        names = cell.backbone.split(BY)
        tables = {
            condition: WindowTable(self.clips, join([store.load(of[name]) for name in names]))
            for condition, of in self.folders.items()
        }
        target = tables.pop(MAIN)
        return Task(
            target=target,
            source=target.none(),
            system=cell.system,
            seed=cell.seed,
            folds=cell.folds,
            training=Training(noise=self._noise),
            test_conditions=tables,
        )

    def _noise(self) -> npt.NDArray[np.float32] | None:
        return None if self.noise is None else np.asarray(store.load(self.noise).windows)


def score(
    cells: Sequence[Cell], data: Data, *, place: Storage, workers: int
) -> Iterator[tuple[Cell, pd.DataFrame]]:
    """Score cells in processes, each on one thread; gives them as they are done.

    What is in `place` already is not trained again, so that a run that was killed goes on.

    Parameters
    ----------
    place : Storage
        Folder of the tables.

    Yields
    ------
    The cell, and a row a scored clip: condition (``main``, or one of `Task.test_conditions`),
    clip_id, group, label, predicted.
    """
    missing, made_of = [], data.made_of
    known = place.sizes()
    for cell in cells:
        name = f"{cell.key(made_of)}.parquet"
        if name in known:
            yield cell, pd.read_parquet(io.BytesIO(place.read(name)))
        else:
            missing.append(cell)
    run = Parallel(n_jobs=workers, return_as="generator_unordered")
    for at, table in run(delayed(_scored)(n, cell, data) for n, cell in enumerate(missing)):
        place.write(f"{missing[at].key(made_of)}.parquet", table.to_parquet(index=False))
        yield missing[at], table


def _scored(number: int, cell: Cell, data: Data) -> tuple[int, pd.DataFrame]:
    task = data.task(cell)
    if threads := task.kind.threads_setting:  # processes share the processors
        one = {**task.system.settings, threads: 1}
        task = replace(task, system=replace(task.system, settings=one))
    task.design.refuse_unlearnable()
    splits = task.splits()
    parts = []
    with threadpool_limits(1):
        for split in splits:
            found = fine_tune.held_out(task, split).scored
            parts += [_decided(found.clips, MAIN)]
            parts += [_decided(table, name) for name, table in found.test_conditions.items()]
    return number, pd.concat(parts, ignore_index=True)


def _decided(clips: pd.DataFrame, condition: str) -> pd.DataFrame:
    scores: Any = clips.filter(regex=f"^{P}")
    decided = scores.idxmax(axis=1).str.removeprefix(P)
    kept = clips[["clip_id", "group", "label"]]
    return kept.assign(predicted=decided, condition=condition)
