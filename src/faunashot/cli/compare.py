"""``faunashot compare``."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer
from faunashot.errors import ParameterError, TrackingError


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
    plot: Annotated[
        Path | None, typer.Option(help="Draw macro-F1 against k of all of them to this PNG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print one row an experiment, newest first; or how those that are named differ."""
    if names:
        _compare_named(names, plot=plot, as_json=as_json)
        return
    from faunashot.tracking import comparison, store

    table = comparison.compare(store.root())
    table = table[table["name"].map(lambda name: fnmatch(name, only)).astype(bool)]
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    if as_json:
        answer([{str(key): value for key, value in row.items()} for row in rows], as_json=True)
    else:
        shown = _titles(metric, table.columns)
        answer([_row(row, metrics=shown) for row in rows], as_json=False)
    if plot:
        curves = comparison.curves(store.root())
        _draw(curves[curves["system"].map(lambda name: fnmatch(name, only)).astype(bool)], plot)


def _compare_named(names: list[str], *, plot: Path | None, as_json: bool) -> None:
    if len(names) == 1:
        raise TrackingError(f"{names[0]} alone: name two experiments or more, or none for a table")
    from faunashot.tracking import pairing, store

    runs = pairing.scored_runs(store.root(), names)
    differences, saved = pairing.differences(runs), pairing.saved(runs)
    if as_json:
        found = {"differences": differences, "labels_saved": saved}
        print(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        answer([line for row in differences for line in _difference(row)], as_json=False)
        pairs = "episodes" if runs[0].is_drawn else "source recordings"
        print(f"Less {runs[0].name}, paired by {pairs}, with 95 % intervals. Macro-F1: p by")
        print(
            "permutation, corrected after Holm for several; accuracy: McNemar's, where it applies."
        )
        if saved:
            answer([_saved(row) for row in saved], as_json=False)
            print("Needs: labelled clips a class, read off the better curve over log k.")
    if plot:
        import pandas as pd

        curves = [run.curve.assign(system=run.name) for run in runs if run.curve is not None]
        _draw(pd.concat(curves) if curves else pd.DataFrame(), plot)


def _draw(curves: Any, file: Path) -> None:
    if curves.empty:
        raise TrackingError("no experiment here has a curve over k: run few_shot first")
    from faunashot.evaluation.plots.curve import curve_figure

    curve_figure(curves).savefig(file)


def _titles(wanted: Sequence[str] | None, columns: Iterable[str]) -> dict[str, str]:
    """Titles of the metrics that are asked for, by name."""
    from faunashot.evaluation.metrics import HEADLINE, titles

    there = titles(columns)
    for name in wanted or ():
        if name not in there:
            raise ParameterError.unknown("metric", name, there)
    return {name: there[name] for name in wanted or [HEADLINE]}


def _row(row: dict[Hashable, Any], *, metrics: Mapping[str, str]) -> dict[str, Any]:
    """What of an experiment fits a person's screen, with the metrics that are asked for."""
    shown = {
        "experiment": row["name"],
        "corpus": row["corpus"],
        "system": f"{row['backbone']}-{row['system']}",
        "protocol": row["protocol"],
        "k": row["k"],
    }
    for number, (name, title) in enumerate(metrics.items()):
        interval = "interval" if number == 0 else f"interval of {title}"
        shown |= {title: row[name], interval: _interval(row, name)}
    return shown


def _difference(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line a metric of labels, each with the p-value that is about it."""
    from faunashot.evaluation.metrics import HEADLINE, titles

    keys = {
        HEADLINE if key == "difference" else key.removesuffix("_difference"): key
        for key in row
        if f"{key}_low" in row
    }
    p_values = {HEADLINE: row["p_value"], "accuracy": row["p_mcnemar"]}
    return [
        {
            "experiment": row["experiment"],
            "figure": title,
            "difference": f"{row[keys[name]]:+}",
            "interval": _interval(row, keys[name]),
            "p": p_values.get(name),
            "p (Holm)": row["p_holm"] if name == HEADLINE else None,
        }
        for name, title in titles(f"{name}{end}" for name in keys for end in ("", "_low")).items()
    ]


def _saved(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "to match": row["against"],
        "at k": row["k"],
        "macro-F1": row["macro_f1"],
        "the better": row["experiment"],
        "needs": row["shown"],
    }


def _interval(row: Mapping[Any, Any], key: str) -> str | None:
    low, high = row[f"{key}_low"], row[f"{key}_high"]
    return None if low is None else f"{low} to {high}"
