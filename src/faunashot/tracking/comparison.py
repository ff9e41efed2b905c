"""Experiments side by side, as MLflow has them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from faunashot.data.labels import read_csv
from faunashot.evaluation import LEAKING
from faunashot.evaluation.metrics import HEADLINE, metric_names
from faunashot.evaluation.summary import DRAWS, ENDS
from faunashot.tracking import store
from faunashot.tracking.experiments import DVC_STAGE, KIND, PARENT, find_runs, name_of

PARAMS: Mapping[str, str] = {
    "corpus": "corpus",
    "backbone": "backbone",
    "system": "system",
    "protocol": "protocol.name",
}
"""Columns of `compare` that hold parameters, and which of a parent run each shows."""

SYNCED_FROM = "synced.from"
"""Tag of a run that `sync` made, with the id of the run whose output DVC restored."""


def compare(root: Path, *, with_intervals: Sequence[str] = ()) -> pd.DataFrame:
    """Experiments side by side, newest first.

    Parameters
    ----------
    root : Path
        The project's folder.
    with_intervals : sequence of str
        Metrics beside the headline whose intervals are read from the curves of the runs.

    Returns
    -------
    DataFrame
        One row per parent run: `name`, the columns of `PARAMS`, `k`, every metric that a run has
        (missing where a run has none), with ``_low``, ``_high``, ``_draws_low`` and
        ``_draws_high`` of the headline and of those in `with_intervals`; where a run has them,
        figures over random folds, which leak, as ``leaking_random_folds.NAME``; `status`
        (finished, running, failed, or no figures yet), `run_id`.
    """
    client = store.connect(root)
    runs = find_runs(client, {KIND: "experiment"})
    stages = find_runs(client, {KIND: "stage"}, status="RUNNING")
    running = {run.data.tags[PARENT] for run in stages}
    logged = dict.fromkeys(key for run in runs for key in run.data.metrics)
    names = metric_names([HEADLINE, *logged])
    intervals = dict.fromkeys([HEADLINE, *with_intervals])
    figures = [f"{n}{end}" for n in names for end in ((*ENDS, *DRAWS) if n in intervals else [""])]
    figures += [key for key in logged if key.startswith(f"{LEAKING}.")]
    rows = []
    for run in runs:
        row: dict[str, object] = {"name": name_of(run), "run_id": run.info.run_id}
        row |= {column: run.data.params.get(key) for column, key in PARAMS.items()}
        found = (_at_headline(client, run) if with_intervals else {}) | run.data.metrics
        row |= {key: found.get(key) for key in ("k", *figures)}
        row["status"] = _status(run, is_running=run.info.run_id in running)
        rows.append(row)
    table = pd.DataFrame(rows, columns=["name", *PARAMS, "k", *figures, "status", "run_id"])
    return table.astype(dict.fromkeys(("k", *figures), "float64")).astype({"k": "Int64"})


def _at_headline(client: MlflowClient, run: Run) -> dict[str, Any]:
    """The row of a run's curve at its headline k."""
    curve = evaluated_table(client, run, "curve.csv")
    if curve is None:
        return {}
    rows = curve[curve["k"] == run.data.metrics.get("k")].to_dict("records")
    return {str(key): value for row in rows for key, value in row.items()}


def _status(run: Run, *, is_running: bool) -> str:
    """What became of an experiment; its parent run is open only while a stage sets its end."""
    if is_running:
        return "running"
    if run.info.status != "FINISHED":
        return str(run.info.status).lower()
    return "finished" if HEADLINE in run.data.metrics else "no figures yet"


def curves(root: Path, *, name: str = "*") -> pd.DataFrame:
    """Macro-F1 against k of every experiment that has a curve.

    Parameters
    ----------
    root : Path
        The project's folder.
    name : str
        Of the experiments; ``*`` stands for anything.

    Returns
    -------
    DataFrame
        As `plots.curve.curve_figure` draws it: the columns of ``curve.csv``, `panel` (the corpus)
        and `system`, with the experiment's name where there are other curves of the system. A
        curve that is there twice, as that of the same system at another headline k, comes once.
    """
    client = store.connect(root)
    found: dict[tuple[str, str], list[tuple[Run, pd.DataFrame]]] = {}
    for run in find_runs(client, {KIND: "experiment"}):
        if not fnmatch(name_of(run), name):
            continue
        curve = evaluated_table(client, run, "curve.csv")
        params = run.data.params
        key = (str(params.get("corpus")), f"{params.get('backbone')}-{params.get('system')}")
        of_system = found.setdefault(key, [])
        if curve is None or len(curve) < 2:
            continue
        points = curve[["k", HEADLINE]]
        if not any(points.equals(other[["k", HEADLINE]]) for _, other in of_system):
            of_system.append((run, curve))
    parts = []
    for (corpus, system), of_system in found.items():
        names = [name_of(run) for run, _ in of_system]
        for run, curve in of_system:
            shown = name_of(run)
            if names.count(shown) > 1:
                shown += f" {run.info.run_id[:8]}"
            label = f"{system} ({shown})" if len(of_system) > 1 else system
            parts.append(curve.assign(panel=corpus, system=label))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["panel"])


def predictions_of(client: MlflowClient, parent: Run) -> pd.DataFrame | None:
    """Predictions that an experiment logged last, a row a scored clip; None where it has none."""
    return evaluated_table(client, parent, "predictions.csv")


def evaluated_table(client: MlflowClient, parent: Run, name: str) -> pd.DataFrame | None:
    """Table that an experiment's evaluate stage logged last, None where there is none.

    Parameters
    ----------
    parent : Run
        The experiment's own.
    name : str
        Of the artifact, such as ``curve.csv``.
    """
    for run in find_runs(client, {PARENT: parent.info.run_id, DVC_STAGE: "evaluate"}):
        if run.info.status != "FINISHED":
            continue
        # what DVC restored from its cache was logged by the run that filled it
        source = run.data.tags.get(SYNCED_FROM, run.info.run_id)
        with contextlib.suppress(MlflowException, OSError):
            uri = client.get_run(source).info.artifact_uri
            text = mlflow.artifacts.load_text(f"{uri}/{name}")
            return read_csv(io.StringIO(text))
    return None
