"""A trained system out of MLflow: by the registry's name for it, or by the run that made it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from faunashot.errors import TrackingError
from faunashot.tracking import store

_RUN = re.compile(r"(?:runs:/)?(?P<id>[0-9a-f]{32})/?")


@contextmanager
def model_from_mlflow(name: str) -> Iterator[Path]:
    """Folder of a trained system, as `faunashot.recogniser.Recogniser.load` reads it.

    Parameters
    ----------
    name : str
        ``models:/faunashot-demo@champion``, ``models:/faunashot-demo/3``, ``runs:/<id>/model``, or
        the id of a run: of a stage, or of the experiment above it.

    Raises
    ------
    TrackingError
        MLflow has no such model, or it is none of ours.
    """
    client = store.connect()
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = _RUN.fullmatch(name)
            uri = _of_run(client, run["id"]) if run else name
            found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
            logged = Model.load(found).flavors["python_function"]["artifacts"]["model"]["path"]
        except (MlflowException, OSError, KeyError, TypeError) as error:
            raise TrackingError(
                f"{name}: MLflow gives no such model ({store.in_one_line(error)}); name one as "
                "models:/faunashot-demo@champion, models:/faunashot-demo/1, or by the id of a run"
            ) from error
        yield found / logged


def _of_run(client: MlflowClient, run_id: str) -> str:
    """The model that a run logged, or one below it."""
    run = client.get_run(run_id)
    experiments = [run.info.experiment_id]
    below = client.search_runs(experiments, f"tags.`mlflow.parentRunId` = '{run_id}'")
    for made_by in [run_id, *(child.info.run_id for child in below)]:
        logged = client.search_logged_models(experiments, f"source_run_id = '{made_by}'")
        if logged:
            return f"models:/{logged[0].model_id}"
    raise TrackingError(
        f"run {run_id} made no model: name an experiment, or a run of its stage evaluate"
    )
