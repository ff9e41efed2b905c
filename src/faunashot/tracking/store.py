"""MLflow's store: opened, made on first use, and found again where a project was moved."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from faunashot import files
from faunashot.errors import TrackingError
from faunashot.tracking import relocation
from faunashot.tracking.address import (
    NAME,
    REGISTRY,
    TRACKING,
    Address,
    address_of,
    database_of,
    without_password,
)

logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
for _name in ("mlflow.store.db.utils", "mlflow.system_metrics"):  # they log what they raise
    logging.getLogger(_name).setLevel("CRITICAL")

OUTER_RUN = "FAUNASHOT_MLFLOW_RUN"
"""Variable that keeps the id of the run that ``mlflow run`` opened around this process."""

EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",  # its pages are those of training
    "mlflow.note.content": "Systems that recognise animals from few labelled recordings: a run "
    "an experiment, below it a run a stage. Made by faunashot.",
}

_LOCK_TIMEOUT_S = 150  # a fresh store takes 2 s
_experiment_ids: dict[str, str] = {}  # by the URI of the runs


def root() -> Path:
    """Folder that holds ``mlruns/``: the main workspace, also from within a DVC experiment.

    Returns
    -------
    Path
        ``DVC_ROOT`` where it is set (DVC points it at the main workspace even when a stage runs
        in a temporary copy), else the nearest folder upwards that holds a ``dvc.yaml``.

    Raises
    ------
    TrackingError
        There is neither.
    """
    if folder := os.environ.get("DVC_ROOT"):
        return Path(folder).resolve()
    here = Path.cwd()
    for folder_ in (here, *here.parents):
        if (folder_ / "dvc.yaml").is_file():
            return folder_
    raise TrackingError(f"no dvc.yaml in {here} or above it: change to the project's folder")


def artifacts(root: Path) -> Path:
    """Folder under `root` that artifacts and models go to, where the store is the project's own."""
    return root.absolute() / relocation.ARTIFACTS


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the project's lock, so that what is found or made is made once.

    Raises
    ------
    TrackingError
        Another process held it for too long.
    """
    folder = database_of(root).parent
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder / ".lock", timeout_s=_LOCK_TIMEOUT_S) as held:
        if not held:
            raise TrackingError(f"{folder}/.lock is held: is another faunashot stuck?")
        yield


def connect(folder: Path | None = None) -> MlflowClient:
    """Open the store of a project and make it on first use; see `address.address_of` for which.

    Also takes MLflow's own run and experiment variables out of the environment, because
    ``mlflow run`` sets them and no stage could open its run with them.

    Parameters
    ----------
    folder : Path, optional
        The project's folder, `root()` if not given.

    Raises
    ------
    TrackingError
        The store cannot be reached or made, or was made by another version of MLflow.
    """
    address = address_of(folder or root())
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        value = os.environ.pop(name, None)
        if value and name == "MLFLOW_RUN_ID":
            os.environ[OUTER_RUN] = value
    try:
        with _environment_kept():
            mlflow.set_tracking_uri(address.tracking)
            mlflow.set_registry_uri(address.registry)
        if not (address.is_embedded and _is_ready(address)):
            _make_ready(address)
        return MlflowClient()
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        where = database_of(address.root) if address.is_embedded else address
        raise TrackingError(f"{where}: cannot be used: {in_one_line(error)}") from error


def experiment_id(client: MlflowClient) -> str:
    """Id of the MLflow experiment that all runs of the project belong to."""
    return _experiment_ids[client.tracking_uri]


def in_one_line(error: BaseException) -> str:
    """First line of an error's message, or its type, with no password in it."""
    lines = without_password(str(error)).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__


def _is_ready(address: Address) -> bool:
    """Whether the own store has been made in full, and says where its files lie."""
    known = relocation.known(address.root, address.experiment)
    if known is None:
        return False
    expected = artifacts(address.root).as_uri()
    if known.location != expected and known.location.endswith(relocation.ARTIFACTS):
        with locked(address.root):
            relocation.relocate(address.root, known.location)
    _experiment_ids[address.tracking] = known.experiment_id
    return True


def _make_ready(address: Address) -> None:
    lock = locked(address.root) if address.is_embedded else contextlib.nullcontext()
    with lock, contextlib.chdir(address.root):  # where MLflow puts the default experiment's files
        client = MlflowClient()
        found = client.get_experiment_by_name(address.experiment) or _create(client, address)
        if found.lifecycle_stage == LifecycleStage.DELETED:
            client.restore_experiment(found.experiment_id)
            print(
                f"faunashot: the MLflow experiment {address.experiment!r} had been deleted; "
                "it is restored, with its runs",
                file=sys.stderr,
            )
        _experiment_ids[address.tracking] = str(found.experiment_id)


def _create(client: MlflowClient, address: Address) -> Experiment:
    location = artifacts(address.root).as_uri() if address.is_embedded else None
    try:
        made = client.create_experiment(
            address.experiment, artifact_location=location, tags=EXPERIMENT_TAGS
        )
    except MlflowException:
        found = client.get_experiment_by_name(address.experiment)
        if found is None:
            raise
        return found  # another has made it at the same time
    return client.get_experiment(made)


@contextlib.contextmanager
def _environment_kept() -> Iterator[None]:
    """Leave the variables that name a store as they are, which MLflow sets to what it is given."""
    kept = {name: os.environ.get(name) for name in (TRACKING, REGISTRY, NAME)}
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
