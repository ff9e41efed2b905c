"""Experiments side by side, as MLflow has them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from faunashot.tracking import store
from faunashot.tracking.experiments import DVC_STAGE, KIND, PARENT, find_runs

COLUMNS: Mapping[str, str] = {
    "corpus": "params.corpus",
    "backbone": "params.backbone",
    "system": "params.system",
    "protocol": "params.protocol.name",
    "k": "metrics.k",
    "macro_f1": "metrics.macro_f1",
    "macro_f1_low": "metrics.macro_f1_low",
    "macro_f1_high": "metrics.macro_f1_high",
    "accuracy": "metrics.accuracy",
}
"""Columns of `compare`, and what of a parent run each shows."""

SYNCED_FROM = "synced.from"
"""Tag of a run that `sync` made, with the id of the run whose output DVC restored."""


def compare(root: Path) -> pd.DataFrame:
    """Experiments side by side, newest first.

    Returns
    -------
    DataFrame
        One row per parent run: `name`, the columns of `COLUMNS` (`k` and figures as numbers,
        missing where an experiment has none), `run_id`.
    """
    rows = []
    for run in find_runs(store.connect(root), {KIND: "experiment"}):
        known: dict[str, object] = {
            f"params.{key}": value for key, value in run.data.params.items()
        }
        known |= {f"metrics.{key}": value for key, value in run.data.metrics.items()}
        row: dict[str, object] = {column: known.get(source) for column, source in COLUMNS.items()}
        rows.append({"name": run.info.run_name, **row, "run_id": run.info.run_id})
    table = pd.DataFrame(rows, columns=["name", *COLUMNS, "run_id"])
    figures = [name for name, source in COLUMNS.items() if source.startswith("metrics.")]
    return table.astype(dict.fromkeys(figures, "float64")).astype({"k": "Int64"})


def curves(root: Path) -> pd.DataFrame:
    """Macro-F1 against k of every experiment that has a curve.

    Returns
    -------
    DataFrame
        Columns `system` (the experiment's name), `k`, `macro_f1`, and the ends of its interval.
    """
    client = store.connect(root)
    parts = []
    for parent in find_runs(client, {KIND: "experiment"}):
        found = evaluated_table(client, parent, "curve.csv")
        if found is not None and len(found) > 1:
            parts.append(found.assign(system=parent.info.run_name))
    wanted = ["system", "k", "macro_f1", "macro_f1_low", "macro_f1_high"]
    if not parts:
        return pd.DataFrame(columns=wanted)
    return pd.concat(parts, ignore_index=True)[wanted]


def evaluated_table(
    client: MlflowClient, parent: Run, name: str, **reading: Any
) -> pd.DataFrame | None:
    """Table that an experiment's evaluate stage logged last, None where there is none.

    Parameters
    ----------
    parent : the experiment's own run.
    name : of the artifact, such as ``curve.csv``.
    reading : options of `pandas.read_csv`.
    """
    for run in find_runs(client, {PARENT: parent.info.run_id, DVC_STAGE: "evaluate"}):
        if run.info.status != "FINISHED":
            continue
        # what DVC restored from its cache was logged by the run that filled it
        source = run.data.tags.get(SYNCED_FROM, run.info.run_id)
        with contextlib.suppress(MlflowException, OSError):
            uri = client.get_run(source).info.artifact_uri
            text = mlflow.artifacts.load_text(f"{uri}/{name}")
            table: pd.DataFrame = pd.read_csv(io.StringIO(text), **reading)
            return table
    return None
