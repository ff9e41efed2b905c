"""Runs: one parent run per experiment, one child run per stage of it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException

from faunashot.errors import TrackingError
from faunashot.files import plain_name, write_atomically
from faunashot.tracking import keys, store
from faunashot.tracking.address import Address, address_of
from faunashot.tracking.experiments import (
    DVC_STAGE,
    KEY,
    PARENT,
    SYNCED,
    Experiment,
    create_child,
    current_experiment,
    find_runs,
    log_metrics,
    log_params,
    log_tags,
    outer_tags,
    parent_run,
)
from faunashot.tracking.lockfile import input_tags, read_lock
from faunashot.tracking.outage import Outage

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas as pd


@dataclass(frozen=True, slots=True)
class StageRun:
    """The open run of a stage; it is also MLflow's active run, for MLflow's own callbacks.

    Where MLflow's server went away, nothing is logged, and the ids are empty if it was away
    from the beginning.
    """

    client: MlflowClient
    stage: str
    run_id: str
    parent_id: str
    key: str
    outage: Outage

    def params(self, values: Mapping[str, object]) -> None:
        """Log parameters, nested ones joined by dots; values are cut at 500 characters."""
        self.outage.attempt(log_params, self.client, self.run_id, values)

    def metrics(self, values: Mapping[str, object], step: int | None = None) -> None:
        """Log the numbers among `values`, nested ones joined by dots; None and NaN are left out."""
        self.outage.attempt(log_metrics, self.client, self.run_id, values, step=step)

    def parent_metrics(self, values: Mapping[str, object]) -> None:
        """Log the experiment's final figures, which experiments are compared by."""
        self.outage.attempt(log_metrics, self.client, self.parent_id, values)

    def figure(self, figure: matplotlib.figure.Figure, name: str) -> None:
        """Log a figure as ``<name>.png``."""
        file = f"{name.removesuffix('.png')}.png"
        self.outage.attempt(self.client.log_figure, self.run_id, figure, file)

    def table(self, table: pd.DataFrame, name: str) -> None:
        """Log a table as ``<name>.csv``, which MLflow's pages show as a table."""
        self.text(table.to_csv(index=False), f"{name.removesuffix('.csv')}.csv")

    def text(self, text: str, name: str) -> None:
        """Log a text under the file name `name`."""
        self.outage.attempt(self.client.log_text, self.run_id, text, name)

    def artifact(self, path: Path) -> None:
        """Log a file, or a folder under its own name."""
        self._artifact(self.run_id, path)

    def parent_artifact(self, path: Path) -> None:
        """Log a file, or a folder under its own name, on the experiment's run."""
        self._artifact(self.parent_id, path)

    def dataset(self, dataset: Dataset, context: str) -> None:
        """Log what the run reads, also on the experiment's run; `context` is what it is for."""
        found = [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])]
        for run_id in (self.run_id, self.parent_id):
            self.outage.attempt(self.client.log_inputs, run_id, datasets=found)

    def tag(self, key: str, value: str) -> None:
        """Set a tag of the run."""
        self.outage.attempt(self.client.set_tag, self.run_id, key, value)

    def _artifact(self, run_id: str, path: Path) -> None:
        if path.is_dir():
            self.outage.attempt(self.client.log_artifacts, run_id, str(path), path.name)
        else:
            self.outage.attempt(self.client.log_artifact, run_id, str(path))


@contextlib.contextmanager
def stage_run(
    stage: str,
    *,
    params: Mapping[str, object],
    inputs: Iterable[Path],
    record: Path,
    name: str = "",
) -> Iterator[StageRun]:
    """Open the run of a stage under its experiment's parent run.

    A stage that is run again with the same parameters and inputs finds its finished run and
    logs into it; one that failed or was killed is replaced.

    Parameters
    ----------
    stage : str
        Its name, where DVC does not give it (``DVC_STAGE``).
    params : mapping of str to object
        All parameters of the experiment, the same in each stage: without a DVC experiment
        they are what the parent is found by. They are logged on the parent.
    inputs : iterable of Path
        Files and folders that the stage reads; their content is part of the run's key.
    record : JSON file to write when the stage has succeeded, an output of the stage, so that
        DVC's cache still knows the run of what it restores.
    name : str
        Of the parent, where DVC has no name for the experiment; `experiment_name` by default.

    Raises
    ------
    TrackingError
        The store cannot be used or refuses what is logged, or an input does not exist.
    """
    root = store.root()
    address = address_of(root)
    outage = Outage(address)
    stage = os.environ.get("DVC_STAGE", stage).rpartition(":")[2]  # "../dvc.yaml:train" from below
    inputs = [Path(plain_name(path)) for path in inputs]  # so that keys depend on no folder above
    key = keys.stage_key(stage, params=params, inputs=inputs)
    with _refusals_in_one_line(address):
        client = outage.attempt(store.connect, root) or MlflowClient()
        experiment = current_experiment(root, params=params, name=name)
        tags = input_tags(read_lock(Path("dvc.lock")), inputs, running=stage)
        opened = outage.attempt(_open, client, root, experiment, stage=stage, key=key, tags=tags)
        run_id, parent_id = opened or ("", "")
        try:
            yield StageRun(client, stage, run_id, parent_id, key, outage)
            _write_record(
                record,
                {
                    "stage": stage,
                    "run_id": "" if outage.is_on else run_id,
                    "parent_run_id": parent_id,
                    "experiment_id": store.experiment_id(client) if run_id else "",
                    "key": key,
                },
            )
        except BaseException as error:
            with contextlib.suppress(Exception):  # a full disk notes nothing
                _end(client, run_id, parent_id, status="FAILED", error=_named(error))
            raise
        if outage.is_on:  # what was logged has gaps, also where the server is back
            with contextlib.suppress(Exception):
                _end(client, run_id, parent_id, status="KILLED", error=f"{address} was away")
        else:
            outage.attempt(_end, client, run_id, parent_id, status="FINISHED")


def _open(
    client: MlflowClient,
    root: Path,
    experiment: Experiment,
    *,
    stage: str,
    key: str,
    tags: Mapping[str, str],
) -> tuple[str, str]:
    """Ids of the stage's run, which is MLflow's active one from here on, and of its parent."""
    parent_id, _ = parent_run(client, root, experiment)
    run_id = _child_run(client, experiment, parent_id=parent_id, stage=stage, key=key, tags=tags)
    mlflow.start_run(run_id=run_id)
    return run_id, parent_id


def _end(
    client: MlflowClient, run_id: str, parent_id: str, *, status: str, error: str = ""
) -> None:
    if mlflow.active_run() is None:  # it never began
        return
    try:
        if error:
            client.set_tag(run_id, "error", error)
    finally:
        mlflow.end_run(status)
    client.set_terminated(parent_id, status)


@contextlib.contextmanager
def _refusals_in_one_line(address: Address) -> Iterator[None]:
    """Turn what MLflow raises, where its store is locked or its disk full, into our error."""
    try:
        yield
    except MlflowException as error:
        raise TrackingError(f"{address}: {_named(error)}") from error


def _child_run(
    client: MlflowClient,
    experiment: Experiment,
    *,
    parent_id: str,
    stage: str,
    key: str,
    tags: Mapping[str, str],
) -> str:
    """Run to log a stage into: its finished one, or a new one in place of any that is not."""
    reused = ""
    for run in find_runs(client, {PARENT: parent_id, DVC_STAGE: stage}):
        finished = run.info.status == "FINISHED" and SYNCED not in run.data.tags
        if finished and run.data.tags.get(KEY) == key and not reused:
            reused = run.info.run_id
        elif not finished:
            client.delete_run(run.info.run_id)
    if not reused:
        tags = {**tags, KEY: key, **outer_tags()}
        return create_child(client, experiment, parent_id=parent_id, stage=stage, tags=tags)
    log_tags(client, reused, tags)
    return reused


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {store.in_one_line(error)}"[:500]


def _write_record(path: Path, record: Mapping[str, str]) -> None:
    write_atomically(path, json.dumps(record, indent=2) + "\n")
