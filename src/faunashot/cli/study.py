"""``faunashot study``."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.cli.output import BRACKETS, AsJson, answer, intervals, note
from faunashot.errors import CorpusError, FaunashotError, ParameterError
from faunashot.evaluation import LEAKING
from faunashot.wording import INTERVAL, decimals, interval, records

STDERR = 2
"""The number of the stream of messages, also where Python's own is replaced."""


def study(
    file: Annotated[
        Path, typer.Argument(help="YAML: name, params, grid, reference, metrics, published.")
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", help="A parameter of all experiments, as KEY=VALUE."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Experiments with this value of the grid, as KEY=VALUE; repeatable."),
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
    interrupted, or got a further value, goes on. What an experiment lacks, such as a corpus or
    weights, is said before any of them runs. Published figures that the file gives stand beside
    ours in a table of their own.
    """
    from faunashot.tracking import store, studies

    asked = studies.read_study(file, settings=settings or [], only=only or [])
    root = store.root()
    runs = studies.finished(root, studies.planned(asked))
    missing = [] if only_table else [e for e in studies.planned(asked) if e.name not in runs]
    _run(root, missing, queue=queue)
    if queue and missing:
        print("Run them with `dvc queue start -j 2`, then this command again for the table.")
        return
    _show(root, asked, _found(root, asked), out=out, as_json=as_json)


def _run(root: Path, experiments: Sequence[Any], *, queue: bool) -> None:
    """Run or queue experiments, once it is known that all of them can be."""
    from faunashot.features.names import LAYERS
    from faunashot.tracking import studies

    params = studies.read_params(root, experiments)
    _refuse(root, params, experiments)
    for number, experiment in enumerate(experiments, 1):
        print(f"{number} of {len(experiments)}: {experiment.shown}", file=sys.stderr)
        _dvc("exp", "remove", experiment.name, quiet=True)  # one that failed, or of other results
        rest = [params[each.name] for each in experiments[number - 1 :]]
        _dvc(
            *("exp", "run", *(["--queue"] if queue else [])),
            *experiment.arguments(),
            environ={LAYERS: studies.layers_together(rest)},
        )


def _refuse(root: Path, params: Mapping[str, Any], experiments: Sequence[Any]) -> None:
    """Say what an experiment lacks, and which it is, before any of them runs."""
    from faunashot.pipeline.check import checked

    with contextlib.chdir(root):
        for experiment in experiments:
            try:
                checked(params[experiment.name])
            except CorpusError:  # which all experiments want
                raise
            except FaunashotError as error:
                raise type(error)(f"{experiment.shown}: {error}") from error


def _found(root: Path, asked: Any) -> Mapping[str, Any]:
    """What of a study has ended well; says what has not."""
    from faunashot.tracking import studies
    from faunashot.tracking.sync import sync

    experiments = studies.planned(asked)
    runs = studies.finished(root, experiments)
    if len(runs) < len(experiments):
        sync(root)  # one that DVC had in its cache ran no stage that could log
        runs = studies.finished(root, experiments)
    for experiment in experiments:
        if experiment.name not in runs:
            print(f"faunashot: not there yet: {experiment.shown}", file=sys.stderr)
    return runs


def _show(root: Path, asked: Any, runs: Mapping[str, Any], *, out: Path, as_json: bool) -> None:
    """Write the tables and plots of a study, and print what is at the headline k."""
    from faunashot.tracking import studies, study_tables
    from faunashot.tracking.published import comparable, set_beside

    table = studies.table_of(root, asked, runs)
    tables = study_tables.side_by_side(root, asked, table, runs)
    beside = set_beside(asked.published, tables["systems"])
    out.mkdir(parents=True, exist_ok=True)
    csv, published = (out / f"{asked.name}{ending}.csv" for ending in ("", "-published"))
    table.drop(columns="headline").to_csv(csv, index=False)
    if asked.published:
        beside.to_csv(published, index=False)
        of_system = comparable(beside, "accuracy")
        tables["systems"]["published"] = tables["systems"]["system"].map(of_system)
    plots = _draw(tables, table, asked, out)
    headline = table[table["headline"]]
    rows = records(headline.drop(columns="headline"))
    if as_json:
        names = study_tables.named(asked, headline, with_seeds=False)
        for row, name in zip(rows, names, strict=True):
            if asked.published:
                row["published"] = records(beside[beside["system"] == name])
        answer(rows, as_json=True)
        return
    answer([line for row in rows for line in _lines(row, asked)], as_json=False)
    note(BRACKETS)
    print(f"{csv}: every k; plots: {', '.join(map(str, plots))}")
    if asked.published:
        _print_published(beside)
        print(published)


def _dvc(*arguments: str, quiet: bool = False, environ: Mapping[str, str] | None = None) -> None:
    """Run DVC; what it prints is no answer of ours, so it goes where messages go."""
    streams: dict[str, Any] = {"capture_output": True} if quiet else {"stdout": STDERR}
    env = {**os.environ, **(environ or {})}
    done = subprocess.run(["dvc", *arguments], check=False, env=env, **streams)
    if done.returncode and not quiet:
        raise ParameterError(f"dvc {arguments[0]} {arguments[1]} has failed: see above")


def _lines(row: Mapping[str, Any], asked: Any) -> list[dict[str, Any]]:
    """Of an experiment a line for each metric that the study shows."""
    from faunashot.evaluation.metrics import HEADLINE
    from faunashot.tracking.published import metric_title

    lines: list[dict[str, Any]] = []
    for name in asked.metrics:
        title, several = metric_title(name), len(asked.metrics) > 1
        line = {key: row.get(key) for key in asked.axes} | {"k": row["k"]}
        line = dict.fromkeys(line) if lines else line
        line |= {"figure": title} if several else {}
        value = row.get(name)
        line["value" if several else title] = None if value is None else decimals(value)
        line[INTERVAL] = None if value is None else intervals(row, name)
        if f"{LEAKING}.{HEADLINE}" in row:
            leaking = row.get(f"{LEAKING}.{name}")
            line["random folds (leak)"] = None if leaking is None else decimals(leaking)
        of_headline = name == HEADLINE
        difference = row.get("difference" if of_headline else f"{name}_difference")
        if asked.reference:  # the reference experiment differs from nothing
            known = difference is not None
            line["difference"] = decimals(difference, sign=True) if known else None
            line["p (Holm)"] = decimals(row["p_holm"]) if known and of_headline else None
        lines.append(line)
    return lines


def _print_published(beside: Any) -> None:
    """Published figures beside ours, a table a system, and what keeps the two from comparing."""
    from faunashot.tracking.published import FOLDS

    parts = beside.groupby(["system", "folds", "source", "differs"], sort=False)
    for (system, folds, source, differs), of in parts:
        note(f"{system}: published {FOLDS[folds]} ({source}).")
        answer([_published(row) for row in records(of)], as_json=False)
        if differs:
            note(f"Not to be compared: {differs}.\n")
    note(
        "Difference: ours less the published figure; where that is of random folds, ours on random "
        "folds less it. Within: whether the published figure lies within our interval."
    )


def _published(row: Mapping[str, Any]) -> dict[str, Any]:
    from faunashot.tracking.published import metric_title

    def shown(name: str, *, sign: bool = False) -> str | None:
        return None if row[name] is None else decimals(row[name], sign=sign)

    return {
        "figure": metric_title(row["metric"]),
        "published": decimals(row["published"]),
        "ours": shown("ours"),
        INTERVAL: None if row["ours"] is None else interval(row, "ours"),
        **({"random folds": shown("ours_leaking")} if row["leaks"] else {}),
        "difference": shown("difference", sign=True),
        "within": {True: "yes", False: "no", None: None}[row["within"]],
    }


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
