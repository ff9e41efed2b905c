"""``faunashot study``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.cli.output import BRACKETS, AsJson, answer, intervals, note
from faunashot.errors import ParameterError
from faunashot.evaluation import LEAKING
from faunashot.wording import INTERVAL, decimals

STDERR = 2
"""The number of the stream of messages, also where Python's own is replaced."""


def study(
    file: Annotated[Path, typer.Argument(help="YAML: name, params, grid, reference.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", help="A parameter of all experiments, as KEY=VALUE."),
    ] = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="Queue the experiments; run again for the table.")
    ] = False,
    only_table: Annotated[
        bool, typer.Option("--only-table", help="Run nothing: the table of what is there.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder of the table and the plots.")] = Path(
        "reports/studies"
    ),
    as_json: AsJson = False,
) -> None:
    """Run a grid of experiments, and write a table and plots of it.

    What has ended well on the commit at hand is not run again, so that a study that was
    interrupted, or got a further value, goes on.
    """
    from faunashot.features.names import LAYERS
    from faunashot.tracking import store, studies, study_tables

    asked = studies.read_study(file, settings=settings or [])
    root = store.root()
    experiments = studies.planned(asked)
    runs = studies.finished(root, experiments)
    missing = [] if only_table else [each for each in experiments if each.name not in runs]
    params = studies.read_params(root, missing)
    for number, experiment in enumerate(missing, 1):
        print(f"{number} of {len(missing)}: {experiment.shown}", file=sys.stderr)
        _dvc("exp", "remove", experiment.name, quiet=True)  # one that failed, or of other results
        together = studies.layers_together([params[each.name] for each in missing[number - 1 :]])
        _dvc(
            *("exp", "run", *(["--queue"] if queue else [])),
            *experiment.arguments(),
            environ={LAYERS: together},
        )
    if queue and missing:
        print("Run them with `dvc queue start -j 2`, then this command again for the table.")
        return
    if missing:
        runs = studies.finished(root, experiments)
    if len(runs) < len(experiments):
        from faunashot.tracking.sync import sync

        sync(root)  # one that DVC had in its cache ran no stage that could log
        runs = studies.finished(root, experiments)
        for experiment in experiments:
            if experiment.name not in runs:
                print(f"faunashot: not there yet: {experiment.shown}", file=sys.stderr)
    table = studies.table_of(root, asked, runs)
    out.mkdir(parents=True, exist_ok=True)
    csv = out / f"{asked.name}.csv"
    table.drop(columns="headline").to_csv(csv, index=False)
    plots = _draw(study_tables.side_by_side(root, asked, table, runs), table, asked, out)
    rows = table[table["headline"]].drop(columns="headline")
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    answer([_row(record, asked, whole=as_json) for record in records], as_json=as_json)
    if not as_json:
        note(BRACKETS)
        print(f"{csv}: every k; plots: {', '.join(map(str, plots))}")


def _dvc(*arguments: str, quiet: bool = False, environ: Mapping[str, str] | None = None) -> None:
    """Run DVC; what it prints is no answer of ours, so it goes where messages go."""
    streams: dict[str, Any] = {"capture_output": True} if quiet else {"stdout": STDERR}
    env = {**os.environ, **(environ or {})}
    done = subprocess.run(["dvc", *arguments], check=False, env=env, **streams)
    if done.returncode and not quiet:
        raise ParameterError(f"dvc {arguments[0]} {arguments[1]} has failed: see above")


def _row(record: dict[Any, Any], asked: Any, *, whole: bool) -> dict[str, Any]:
    if whole:
        return {str(key): value for key, value in record.items()}
    row = {key: record.get(key) for key in asked.axes}
    row |= {"k": record["k"], "macro-F1": decimals(record["macro_f1"])}
    row[INTERVAL] = intervals(record, "macro_f1")
    if (leaking := f"{LEAKING}.macro_f1") in record:
        row["random folds (leak)"] = decimals(record[leaking])
    if "difference" in record:  # the reference experiment has none
        known = record["difference"] is not None
        row["difference"] = decimals(record["difference"], sign=True) if known else None
        row["p (Holm)"] = decimals(record["p_holm"]) if known else None
    return row


def _draw(tables: Mapping[str, Any], table: Any, asked: Any, folder: Path) -> list[Path]:
    """Draw what there is to draw of the systems side by side and of the table of every k."""
    from faunashot.evaluation import systems_plots
    from faunashot.evaluation.plots.curve import curve_figure
    from faunashot.tracking import study_tables

    systems, figures = tables["systems"], {}
    if table["k"].nunique() > 1:
        curves = table.assign(system=study_tables.named(asked, table, with_seeds=True))
        figures[""] = curve_figure(curves, title=asked.name)
    elif "accuracy" in systems:
        figures[""] = systems_plots.scores_figure(systems, title=asked.name)
    if "weighted_f1" in systems:
        figures["-averages"] = systems_plots.macro_weighted_figure(systems, title=asked.name)
    if len(tables["classes"]):
        classes = tables["classes"]
        figures["-classes"] = systems_plots.per_class_systems_figure(classes, title=asked.name)
    if len(tables["noise"]):
        figures["-noise"] = systems_plots.robustness_figure(tables["noise"], title=asked.name)
    files = [folder / f"{asked.name}{ending}.png" for ending in figures]
    for file, figure in zip(files, figures.values(), strict=True):
        figure.savefig(file)
    return files
