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
from mlflow.exceptions import MlflowException

from faunashot.errors import TrackingError
from faunashot.files import write_atomically
from faunashot.tracking import keys, store
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

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas as pd


@dataclass(frozen=True, slots=True)
class StageRun:
    """The open run of a stage; it is also MLflow's active run, for MLflow's own callbacks."""

    client: MlflowClient
    run_id: str
    parent_id: str
    key: str

    def params(self, values: Mapping[str, object]) -> None:
        """Log parameters, nested ones joined by dots; values are cut at 500 characters."""
        log_params(self.client, self.run_id, values)

    def metrics(self, values: Mapping[str, object], step: int | None = None) -> None:
        """Log the numbers among `values`, nested ones joined by dots; None and NaN are left out."""
        log_metrics(self.client, self.run_id, values, step=step)

    def parent_metrics(self, values: Mapping[str, object]) -> None:
        """Log the experiment's final figures, which experiments are compared by."""
        log_metrics(self.client, self.parent_id, values)

    def figure(self, figure: matplotlib.figure.Figure, name: str) -> None:
        """Log a figure as ``<name>.png``."""
        self.client.log_figure(self.run_id, figure, f"{name.removesuffix('.png')}.png")

    def table(self, table: pd.DataFrame, name: str) -> None:
        """Log a table as ``<name>.csv``, which MLflow's pages show as a table."""
        text = table.to_csv(index=False)
        self.client.log_text(self.run_id, text, f"{name.removesuffix('.csv')}.csv")

    def text(self, text: str, name: str) -> None:
        """Log a text under the file name `name`."""
        self.client.log_text(self.run_id, text, name)

    def artifact(self, path: Path) -> None:
        """Log a file, or a folder under its own name."""
        if path.is_dir():
            self.client.log_artifacts(self.run_id, str(path), path.name)
        else:
            self.client.log_artifact(self.run_id, str(path))

    def tag(self, key: str, value: str) -> None:
        """Set a tag of the run."""
        self.client.set_tag(self.run_id, key, value)


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
    client = store.connect(root)
    stage = os.environ.get("DVC_STAGE", stage).rpartition(":")[2]  # "../dvc.yaml:train" from below
    inputs = [_relative(path) for path in inputs]
    with _refusals_in_one_line(root):
        experiment = current_experiment(root, params=params, name=name)
        parent_id, _ = parent_run(client, root, experiment)
        key = keys.stage_key(stage, params=params, inputs=inputs)
        tags = input_tags(read_lock(Path("dvc.lock")), inputs, running=stage)
        run_id = _child_run(
            client, experiment, parent_id=parent_id, stage=stage, key=key, tags=tags
        )
        mlflow.start_run(run_id=run_id)
        try:
            yield StageRun(client, run_id, parent_id, key)
            _write_record(
                record,
                {
                    "stage": stage,
                    "run_id": run_id,
                    "parent_run_id": parent_id,
                    "experiment_id": store.experiment_id(client),
                    "key": key,
                },
            )
        except BaseException as error:
            with contextlib.suppress(MlflowException):  # a full disk notes nothing
                client.set_tag(run_id, "error", _one_line(error))
                mlflow.end_run("FAILED")
                client.set_terminated(parent_id, "FAILED")
            raise
        mlflow.end_run()
        client.set_terminated(parent_id)


@contextlib.contextmanager
def _refusals_in_one_line(root: Path) -> Iterator[None]:
    """Turn what MLflow raises, where its store is locked or its disk full, into our error."""
    try:
        yield
    except MlflowException as error:
        raise TrackingError(f"{store.uri(root)}: {_one_line(error)}") from error


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


def _one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:500] if lines else type(error).__name__


def _relative(path: Path) -> Path:
    """Name a path from the current folder, so that keys do not depend on where that lies."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _write_record(path: Path, record: Mapping[str, str]) -> None:
    write_atomically(path, json.dumps(record, indent=2) + "\n")
