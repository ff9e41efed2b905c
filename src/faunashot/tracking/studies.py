"""A study: a grid of experiments, and their figures in one table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run
from pydantic import ValidationError, field_validator
from sklearn.model_selection import ParameterGrid

from faunashot.changed import PARAMS
from faunashot.errors import ParameterError, TrackingError
from faunashot.evaluation import LEAKING
from faunashot.evaluation.summary import DRAWS, ENDS
from faunashot.features.names import BY
from faunashot.options import Options, first_fault
from faunashot.params import Params, load_params
from faunashot.tracking import keys, pairing, store
from faunashot.tracking.comparison import evaluated_table
from faunashot.tracking.experiments import (
    DVC_BASELINE,
    DVC_EXPERIMENT,
    KIND,
    find_runs,
    git_head,
)

DIFFERENCE = (*(f"difference{end}" for end in (*ENDS, *DRAWS)), "p_value", "p_holm")


class Study(Options):
    """What a study's file holds.

    Attributes
    ----------
    name : str
        Of the study; its experiments' names begin with it.
    params : dict
        Parameters that all experiments share, by dotted key as in ``dvc exp run -S``.
    grid : list of dict
        Values by dotted key; each of the grids is crossed by itself.
    reference : dict, optional
        Values of some axes: the experiment that the others of its seed are compared with.
    """

    name: str
    params: dict[str, Any] = {}  # noqa: RUF012
    grid: list[dict[str, list[Any]]]
    reference: dict[str, Any] = {}  # noqa: RUF012

    @field_validator("grid", mode="before")
    @classmethod
    def _one_or_several(cls, grid: Any) -> Any:
        return [grid] if isinstance(grid, Mapping) else grid

    @property
    def axes(self) -> list[str]:
        """What its grids vary, each key once."""
        return list(dict.fromkeys(key for grid in self.grid for key in grid))


@dataclass(frozen=True)
class Planned:
    """An experiment of a study.

    Attributes
    ----------
    name : str
        As DVC and MLflow know it; the same values have the same name.
    axes : dict
        Its values of the grid.
    settings : dict
        All that is set for it, by dotted key.
    """

    name: str
    axes: dict[str, Any]
    settings: dict[str, Any]

    @property
    def shown(self) -> str:
        """Its values, without their keys."""
        return ", ".join(str(value) for value in self.axes.values())

    def arguments(self) -> list[str]:
        """What ``dvc exp run`` is told of it."""
        sets = [f"{key}={_written(value)}" for key, value in self.settings.items()]
        return ["-n", self.name, *(part for each in sets for part in ("-S", each))]


def read_study(file: Path, *, settings: Sequence[str] = ()) -> Study:
    """Read a study's file.

    Parameters
    ----------
    file : Path
        YAML.
    settings : sequence of str
        Further parameters of all experiments, ``KEY=VALUE`` each; they win over the file's.

    Raises
    ------
    ParameterError
        It cannot be read, or a key is unknown, missing or of another type.
    """
    try:
        data = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ParameterError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(data, Mapping):
        raise ParameterError(f"{file}: needs the keys name and grid")
    for key in data:
        if key not in Study.model_fields:
            raise ParameterError.unknown_key(str(key), "", Study.model_fields)
    data = dict(data)
    for setting in settings:
        key, is_set, value = setting.partition("=")
        if not is_set:
            raise ParameterError(f"--set {setting}: needs KEY=VALUE, such as root=data/birds")
        data["params"] = {**(data.get("params") or {}), key: yaml.safe_load(value)}
    try:
        return Study.model_validate(data)
    except ValidationError as error:
        raise ParameterError(f"{file}: {first_fault(error)}") from error


def planned(study: Study) -> list[Planned]:
    """All experiments of a study, in the order of its grids."""
    found = []
    for grid in study.grid:
        order = list(grid)
        for point in ParameterGrid(grid):
            axes = {key: point[key] for key in order}
            settings = {**study.params, **axes}
            found.append(Planned(f"{study.name}-{keys.digest(settings)[:8]}", axes, settings))
    return found


def read_params(root: Path, experiments: Sequence[Planned]) -> dict[str, Params]:
    """Parameters of each experiment by its name, checked before any of them runs.

    Raises
    ------
    ParameterError
        One of them, which is named, is wrong: a layer that its backbone has not, for instance.
    """
    found = {}
    for experiment in experiments:
        try:
            found[experiment.name] = load_params(root / PARAMS, settings=experiment.settings)
        except ParameterError as error:
            raise ParameterError(f"{experiment.shown}: {error}") from error
    return found


def layers_together(params: Sequence[Params]) -> str:
    """Every layer that experiments read, as `faunashot.features.names.LAYERS` takes it."""
    written = (features.written for each in params for features in each.features)
    return BY.join(dict.fromkeys(written))


def finished(root: Path, experiments: list[Planned]) -> dict[str, Run]:
    """Parent runs, by name, of the experiments that have ended well on the commit at hand."""
    client, head = store.connect(root), git_head(root)
    found = {}
    for experiment in experiments:
        tags = {KIND: "experiment", DVC_EXPERIMENT: experiment.name, DVC_BASELINE: head}
        for run in find_runs(client, tags):
            if run.info.status == "FINISHED" and "macro_f1" in run.data.metrics:
                found[experiment.name] = run
                break
    return found


def table_of(root: Path, study: Study, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Figures of all experiments of a study that are there.

    Parameters
    ----------
    root : Path
        The project's folder.
    study : Study
    runs : mapping of str to Run
        What `finished` gives.

    Returns
    -------
    DataFrame
        A row an experiment and k: the axes, ``experiment``, and the columns of ``curve.csv``; at
        the headline k of an experiment also `DIFFERENCE`, its macro-F1 less that of the reference
        experiment with the same values of all other axes, where there is one, and figures over
        random folds, which leak, as ``leaking_random_folds.NAME``, where it has them.

    Raises
    ------
    TrackingError
        None of them is there.
    """
    client, rows = store.connect(root), []
    for experiment in planned(study):
        if experiment.name in runs:
            rows += _rows(client, experiment, runs[experiment.name])
    if not rows:
        raise TrackingError(f"{study.name}: no experiment of the study is there yet")
    return _with_differences(root, study, pd.DataFrame(rows))


def _rows(client: MlflowClient, experiment: Planned, run: Run) -> list[dict[str, Any]]:
    curve = evaluated_table(client, run, "curve.csv")
    if curve is None:
        return []
    headline = run.data.metrics["k"]
    leaking = {k: v for k, v in run.data.metrics.items() if k.startswith(f"{LEAKING}.")}
    return [
        {
            **experiment.axes,
            "experiment": experiment.name,
            **{str(key): value for key, value in row.items()},
            **(leaking if row["k"] == headline else {}),
        }
        | {"headline": row["k"] == headline}
        for row in curve.to_dict("records")
    ]


def _with_differences(root: Path, study: Study, table: pd.DataFrame) -> pd.DataFrame:
    others = [key for key in study.axes if key not in study.reference]
    if not study.reference:
        return table
    at_headline = table[table["headline"]]
    for _, of in at_headline.groupby(others, sort=False) if others else [((), at_headline)]:
        is_reference = (of[list(study.reference)] == list(study.reference.values())).all(axis=1)
        if is_reference.sum() != 1 or len(of) < 2:
            continue
        names = [*of.loc[is_reference, "experiment"], *of.loc[~is_reference, "experiment"]]
        differences = pairing.differences(pairing.scored_runs(root, names))
        for name, row in zip(names[1:], differences, strict=True):
            at = of.index[of["experiment"] == name]
            for column in DIFFERENCE:
                table.loc[at, column] = row.get(column)
    return table


def _written(value: Any) -> str:
    """A value as ``dvc exp run -S`` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
