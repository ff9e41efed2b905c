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

from faunashot.evaluation.metrics import HEADLINE, metric_names
from faunashot.tracking import store
from faunashot.tracking.experiments import DVC_STAGE, KIND, PARENT, find_runs

PARAMS: Mapping[str, str] = {
    "corpus": "corpus",
    "backbone": "backbone",
    "system": "system",
    "protocol": "protocol.name",
}
"""Columns of `compare` that hold parameters, and which of a parent run each shows."""

ENDS = ("", "_low", "_high")
"""What a metric's name ends in: the figure, and the ends of its interval."""

SYNCED_FROM = "synced.from"
"""Tag of a run that `sync` made, with the id of the run whose output DVC restored."""


def compare(root: Path) -> pd.DataFrame:
    """Experiments side by side, newest first.

    Returns
    -------
    DataFrame
        One row per parent run: `name`, the columns of `PARAMS`, `k`, of the headline and of
        every metric that a run has ``NAME``, ``NAME_low`` and ``NAME_high`` (missing where a run
        has none), `run_id`.
    """
    runs = find_runs(store.connect(root), {KIND: "experiment"})
    found: dict[str, object] = dict.fromkeys(f"{HEADLINE}{end}" for end in ENDS)
    found |= {key: value for run in runs for key, value in run.data.metrics.items()}
    figures = [f"{name}{end}" for name in metric_names(found) for end in ENDS]
    rows = []
    for run in runs:
        row: dict[str, object] = {"name": run.info.run_name, "run_id": run.info.run_id}
        row |= {column: run.data.params.get(key) for column, key in PARAMS.items()}
        row |= {key: run.data.metrics.get(key) for key in ("k", *figures)}
        rows.append(row)
    table = pd.DataFrame(rows, columns=["name", *PARAMS, "k", *figures, "run_id"])
    return table.astype(dict.fromkeys(("k", *figures), "float64")).astype({"k": "Int64"})


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
    wanted = ["system", "k", *(f"{HEADLINE}{end}" for end in ENDS)]
    if not parts:
        return pd.DataFrame(columns=wanted)
    return pd.concat(parts, ignore_index=True)[wanted]


def predictions_of(client: MlflowClient, parent: Run) -> pd.DataFrame | None:
    """Predictions that an experiment logged last, a row a scored clip; None where it has none."""
    text = dict.fromkeys(("fold", "clip_id", "group", "label", "predicted"), str)
    # a label may well be "None" or "NA"
    return evaluated_table(client, parent, "predictions.csv", dtype=text, keep_default_na=False)


def evaluated_table(
    client: MlflowClient, parent: Run, name: str, **reading: Any
) -> pd.DataFrame | None:
    """Table that an experiment's evaluate stage logged last, None where there is none.

    Parameters
    ----------
    parent : Run
        The experiment's own.
    name : str
        Of the artifact, such as ``curve.csv``.
    reading : Any
        Options of `pandas.read_csv`.
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
