"""The systems of a study side by side, each the mean of its seeds: what its plots draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from faunashot.evaluation import LEAKING
from faunashot.evaluation.metrics import METRICS
from faunashot.evaluation.repeated import repeated_intervals
from faunashot.evaluation.summary import ENDS, flat
from faunashot.tracking import store
from faunashot.tracking.comparison import evaluated_table, predictions_of
from faunashot.tracking.published import WINDOW
from faunashot.tracking.studies import Study, planned

SEED = "seed"
"""The axis whose values are repetitions of one system."""

NOISE = "snr_"
"""What the names of conditions under noise begin with; the rest is the ratio in dB."""


def named(study: Study, table: pd.DataFrame, *, with_seeds: bool) -> pd.Series:
    """What a study calls the system of each row: the values of the axes in which they differ."""
    axes = [key for key in study.axes if with_seeds or key != SEED] or study.axes
    columns = [key for key in axes if table[key].nunique(dropna=False) > 1] or axes
    values = table[columns].to_numpy()
    return pd.Series(
        [", ".join(str(value) for value in row if pd.notna(value)) for row in values],
        index=table.index,
    )


def side_by_side(
    root: Path, study: Study, table: pd.DataFrame, runs: Mapping[str, Run]
) -> dict[str, pd.DataFrame]:
    """Figures of the systems at the headline k.

    Parameters
    ----------
    root : Path
        The project's folder.
    study : Study
    table : DataFrame
        What `studies.table_of` gives.
    runs : mapping of str to Run
        What `studies.finished` gives.

    Returns
    -------
    dict
        ``systems``: a row a system, ``axes``, its values of the grid but for the seed, and its
        metrics with their intervals. Of several seeds figures are means; where each scored every
        clip once, those of labels of clips have the interval of the mean when source recordings
        are drawn, others have none. ``classes``: system, label, precision, recall,
        f1. ``noise``: system, snr_db (infinite for clips as they are), accuracy, with its interval
        where there is one; no rows where nothing was scored under noise.
    """
    client = store.connect(root)
    rows = table[table["headline"]]
    axes = {experiment.name: experiment.axes for experiment in planned(study)}
    systems, classes, noise = [], [], []
    for name, of in rows.groupby(named(study, rows, with_seeds=False), sort=False):
        each = [runs[experiment] for experiment in of["experiment"]]
        figures = _figures(client, of, each)
        values = axes[of["experiment"].iloc[0]]
        axes_of = {key: value for key, value in values.items() if key != SEED}
        systems.append({"system": name, "axes": axes_of, **figures})
        per_class = _mean(client, each, "per_class.csv", by="label")
        if not per_class.empty:
            classes.append(per_class[["label", "precision", "recall", "f1"]].assign(system=name))
        under = [
            {"system": name, "snr_db": float(condition.removeprefix(NOISE)), "accuracy": accuracy}
            for condition, accuracy in _mean(client, each, "conditions.csv", by="condition")
            .reindex(columns=["condition", "accuracy"])
            .itertuples(index=False)
            if condition.startswith(NOISE)
        ]
        if under:
            clean = {f"accuracy{end}": figures.get(f"accuracy{end}") for end in ENDS}
            noise += [{"system": name, "snr_db": np.inf, **clean}, *under]
    return {
        "systems": pd.DataFrame(systems),
        "classes": pd.concat(classes, ignore_index=True) if classes else pd.DataFrame(),
        "noise": pd.DataFrame(noise, columns=["system", "snr_db", *(f"accuracy{e}" for e in ENDS)]),
    }


def _figures(client: MlflowClient, rows: pd.DataFrame, runs: Sequence[Run]) -> Mapping[str, object]:
    """Metrics of one system, by name, with the ends of their intervals."""
    names = [name for name in rows if _is_metric(str(name))]
    if len(runs) == 1:
        columns = [f"{name}{end}" for name in names for end in ENDS if f"{name}{end}" in rows]
        return {str(key): value for key, value in rows.iloc[0][columns].items()}
    means = {str(name): rows[name].mean() for name in names}
    found = [predictions_of(client, run) for run in runs]
    scored = [table for table in found if table is not None and (table["episode"] < 0).all()]
    if len(scored) < len(runs) or "accuracy" not in rows:  # which clips of several labels lack
        return means
    classes = sorted({c for table in scored for c in (*table["label"], *table["predicted"])})
    return means | flat(repeated_intervals(scored, classes))


def _is_metric(column: str) -> bool:
    """Whether a column is a metric of clips, of windows, or of folds at random."""
    return column.removeprefix(f"{LEAKING}.").removeprefix(WINDOW) in METRICS


def _mean(client: MlflowClient, runs: Sequence[Run], name: str, *, by: str) -> pd.DataFrame:
    """Mean over runs of a table at their headline k, by the values of a column."""
    parts = []
    for run in runs:
        table = evaluated_table(client, run, name)
        if table is not None and len(table):
            parts.append(table[table["k"] == run.data.metrics["k"]] if "k" in table else table)
    if not parts:
        return pd.DataFrame()
    return pd.concat(parts).groupby(by, sort=False).mean(numeric_only=True).reset_index()
