"""``faunashot compare``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.cli.output import BRACKETS, AsJson, answer, intervals, note
from faunashot.errors import ParameterError, TrackingError
from faunashot.evaluation import LEAKING
from faunashot.wording import DRAWS_ALONE, INTERVAL, decimals, is_drawn, records


def compare(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[A B ...]",
            help="Experiments, by name or by how their run's id begins: each less the first.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        str, typer.Option(help="Experiments of this name; * stands for anything.", metavar="NAME")
    ] = "*",
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Show this metric, such as map, rather than macro_f1; repeatable."),
    ] = None,
    classes: Annotated[
        bool,
        typer.Option(
            "--classes",
            help="Class by class, on the classes and clips that both have scored; the first is "
            "what the others are compared with, such as a general model.",
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw macro-F1 against k of all of them to this PNG; of --classes, average "
            "precision against clips of the class."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print one row an experiment, newest first; or how those that are named differ."""
    if classes:
        from faunashot.cli.compare_classes import compare_classes

        compare_classes(names or [], plot=plot, as_json=as_json)
        return
    if names:
        _compare_named(names, plot=plot, as_json=as_json)
        return
    from faunashot.tracking import comparison, store
    from faunashot.tracking.sync import sync_new

    root = store.root()
    sync_new(root)
    table = comparison.compare(root, with_intervals=metric or [])
    shown = _titles(metric, table.columns)
    chosen = table["name"].map(lambda name: fnmatch(name, only)).astype(bool)
    if only != "*" and not chosen.any():
        raise ParameterError(f"--only {only}: no experiment has such a name; `*` stands for all")
    rows = records(table[chosen])
    if as_json:
        answer(rows, as_json=True)
    elif rows:
        answer([line for row in rows for line in _lines(row, metrics=shown)], as_json=False)
        note(BRACKETS)
    else:
        note("No experiment has been run here yet.")
    if plot:
        _draw(comparison.curves(root, name=only), plot)


def _compare_named(names: list[str], *, plot: Path | None, as_json: bool) -> None:
    if len(names) == 1:
        raise TrackingError(f"{names[0]} alone: name two experiments or more, or none for a table")
    from faunashot.tracking import pairing, store
    from faunashot.tracking.sync import sync_new

    sync_new(store.root())
    runs = pairing.scored_runs(store.root(), names)
    differences, saved = pairing.differences(runs), pairing.saved(runs)
    if as_json:
        found = {"differences": differences, "labels_saved": saved}
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        for row in differences:
            note(f"{row['experiment']} less {row['against']}: {row['pairing']}.")
            answer(_difference(row, corrected=len(differences) > 1), as_json=False)
        _explain(drawn=any(is_drawn(row, "difference") for row in differences))
        for better, worse in dict.fromkeys((row["experiment"], row["against"]) for row in saved):
            note(f"Labelled clips a class that {better} needs to match {worse}:")
            pair = (better, worse)
            lines = [row for row in saved if (row["experiment"], row["against"]) == pair]
            answer([_saved(row) for row in lines], as_json=False)
    if plot:
        import pandas as pd

        curves = [run.curve.assign(system=run.name) for run in runs if run.curve is not None]
        _draw(pd.concat(curves) if curves else pd.DataFrame(), plot)


def _explain(*, drawn: bool) -> None:
    """What the columns of differences are."""
    also = f"; in brackets: {DRAWS_ALONE}" if drawn else ""
    note(f"{INTERVAL}: the same recordings and draws taken for both{also}.")
    note(
        "p of macro-F1: that such a difference is chance, corrected after Holm where several are "
        "compared; of accuracy: McNemar's, where each clip is scored once."
    )


def _draw(curves: Any, file: Path) -> None:
    if curves.empty:
        raise TrackingError("no experiment here has a curve over k: run few_shot first")
    from faunashot.evaluation.plots.curve import curve_figure

    if "panel" in curves and curves["panel"].nunique() == 1:
        curve_figure(curves.drop(columns="panel"), title=curves["panel"].iloc[0]).savefig(file)
        return
    curve_figure(curves).savefig(file)


def _titles(wanted: Sequence[str] | None, columns: Iterable[str]) -> dict[str, str]:
    """Titles of the metrics that are asked for, by name."""
    from faunashot.evaluation.metrics import HEADLINE, titles

    there = titles(columns)
    for name in wanted or ():
        if name not in there:
            raise ParameterError.unknown("metric", name, there)
    return {name: there[name] for name in wanted or [HEADLINE]}


RANDOM_FOLDS = "- over random folds, which leak: no result"
"""What stands in place of an experiment's name beside its figures over random folds."""


def _lines(row: Mapping[str, Any], *, metrics: Mapping[str, str]) -> list[dict[str, Any]]:
    """Of an experiment a line for each metric that is asked for, which fit a person's screen."""
    facts = [row["corpus"], f"{row['backbone']}-{row['system']}", row["protocol"]]
    facts += [] if row["k"] is None else [f"k={row['k']}"]
    first: dict[str, Any] = {"experiment": f"{row['name']}\n{', '.join(map(str, facts))}"}
    lines: list[dict[str, Any]] = []
    for name, title in metrics.items():
        line = first if not lines else dict.fromkeys(first)
        line = line | ({"figure": title} if len(metrics) > 1 else {})
        value = row["status"] if row[name] is None else decimals(row[name])
        key = "value" if len(metrics) > 1 else title
        lines.append(line | {key: value, INTERVAL: intervals(row, name)})
        if row.get(leaking := f"{LEAKING}.{name}") is not None:
            line = line | {"experiment": RANDOM_FOLDS, key: decimals(row[leaking])}
            lines.append(line | {INTERVAL: intervals(row, leaking)})
    return lines


def _difference(row: Mapping[str, Any], *, corrected: bool) -> list[dict[str, Any]]:
    """A line a metric of labels, each with the p-value that is about it."""
    from faunashot.evaluation.metrics import HEADLINE, titles

    keys = {
        HEADLINE if key == "difference" else key.removesuffix("_difference"): key
        for key in row
        if f"{key}_low" in row and not key.endswith("_draws")
    }
    p_values = {HEADLINE: row["p_value"], "accuracy": row["p_mcnemar"]}
    lines = []
    for name, title in titles(f"{name}{end}" for name in keys for end in ("", "_low")).items():
        p = p_values.get(name)
        line = {
            "figure": title,
            "difference": decimals(row[keys[name]], sign=True),
            INTERVAL: intervals(row, keys[name]),
            "p": None if p is None else decimals(p),
        }
        if corrected:
            line["p (Holm)"] = decimals(row["p_holm"]) if name == HEADLINE else None
        lines.append(line)
    return lines


def _saved(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"at k": row["k"], "macro-F1": decimals(row["macro_f1"]), "needs": row["shown"]}
