"""Projects with a store of their own: made once, then copied, because making one takes seconds."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from unittest import mock

import mlflow
import pytest
from mlflow import MlflowClient

from faunashot.tracking import store
from faunashot.tracking.address import EXPERIMENT

VARIABLES = (
    "DVC_ROOT",
    "DVC_STAGE",
    "DVC_EXP_NAME",
    "DVC_EXP_BASELINE_REV",
    "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_EXPERIMENT_NAME",
    "MLFLOW_TRACKING_URI",
    "MLFLOW_REGISTRY_URI",
    store.OUTER_RUN,
)


@pytest.fixture(autouse=True)
def clean_environment():
    """Without these variables, and without what a test's own .env sets afterwards."""
    with mock.patch.dict(os.environ):
        for name in VARIABLES:
            os.environ.pop(name, None)
        yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    store.connect(folder)
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project that is the current folder, with a store."""
    copy_store(prepared, tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copy_store(source: Path, target: Path) -> None:
    """Copy a fresh store; MLflow keeps the absolute folder of its artifacts."""
    shutil.copytree(source / "mlruns", target / "mlruns")
    with contextlib.closing(sqlite3.connect(target / "mlruns" / "mlflow.db")) as database:
        database.execute(
            "UPDATE experiments SET artifact_location = ? WHERE name = ?",
            (store.artifacts(target).as_uri(), EXPERIMENT),
        )
        database.commit()


@pytest.fixture
def client(project: Path) -> MlflowClient:
    return store.connect(project)
