"""MLflow's store: one sqlite file and one folder of artifacts under ``mlruns/``.

Importing this module imports MLflow, quietly and with its telemetry switched off.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from faunashot import files
from faunashot.errors import TrackingError

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # git may be absent: say nothing about it

import mlflow  # reads the variables above when it is imported
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
logging.getLogger("mlflow.store.db.utils").setLevel("CRITICAL")  # it logs what it raises

EXPERIMENT = "faunashot"
OUTER_RUN = "FAUNASHOT_MLFLOW_RUN"
"""Variable that keeps the id of the run that ``mlflow run`` opened around this process."""

_LOCK_TIMEOUT_S = 150  # a fresh store takes 2 s


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


def uri(root: Path) -> str:
    """Address of the store under `root`, for tracking and for the registry."""
    return f"sqlite:///{_database(root)}"


def artifacts(root: Path) -> Path:
    """Folder under `root` that the runs' artifacts and the logged models go to."""
    return root.absolute() / "mlruns" / "artifacts"


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the store's lock, so that what is found or made is made once.

    Raises
    ------
    TrackingError
        Another process held it for too long.
    """
    folder = _database(root).parent
    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder / ".lock", timeout_s=_LOCK_TIMEOUT_S) as held:
        if not held:
            raise TrackingError(f"{folder}/.lock is held: is another faunashot stuck?")
        yield


def connect(folder: Path | None = None) -> MlflowClient:
    """Open the store of a project and make it on first use.

    Also takes MLflow's own run and experiment variables out of the environment, because
    ``mlflow run`` sets them and no stage could open its run with them.

    Parameters
    ----------
    folder : Path, optional
        The project's folder, `root()` if not given.

    Raises
    ------
    TrackingError
        The store cannot be made, or was made by another version of MLflow.
    """
    folder = (folder or root()).absolute()
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        value = os.environ.pop(name, None)
        if value and name == "MLFLOW_RUN_ID":
            os.environ[OUTER_RUN] = value
    address = uri(folder)
    try:
        mlflow.set_tracking_uri(address)
        mlflow.set_registry_uri(address)
        if _is_ready(folder):
            return MlflowClient()
        with locked(folder), contextlib.chdir(folder):  # MLflow takes the default
            # experiment's artifact folder from the current one
            client = MlflowClient()
            if client.get_experiment_by_name(EXPERIMENT) is None:
                client.create_experiment(EXPERIMENT, artifact_location=artifacts(folder).as_uri())
            return client
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrackingError(f"{_database(folder)}: cannot be used: {reason}") from error


def experiment_id(client: MlflowClient) -> str:
    """Id of the experiment that all runs of the project belong to."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        raise TrackingError(f"the store holds no experiment {EXPERIMENT!r}: run a stage first")
    return str(experiment.experiment_id)


def _database(root: Path) -> Path:
    return root.absolute() / "mlruns" / "mlflow.db"


def _is_ready(root: Path) -> bool:
    """Whether the store has been made in full; asked without MLflow, which would make it."""
    database = _database(root)
    if not database.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
            rows = connection.execute("SELECT 1 FROM experiments WHERE name = ?", (EXPERIMENT,))
            return rows.fetchone() is not None
    except sqlite3.DatabaseError:
        return False
