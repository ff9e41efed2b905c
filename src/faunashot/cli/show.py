"""``faunashot show``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from faunashot.cli.output import AsJson, answer
from faunashot.errors import StoreError


def show(as_json: AsJson = False) -> None:
    """Print the figures that the last run wrote, from metrics.json and curve.csv."""
    try:
        metrics = json.loads(Path("metrics.json").read_text())
        with Path("curve.csv").open(newline="") as file:
            curve = list(csv.DictReader(file))
    except OSError as error:
        raise StoreError(f"{error.filename} is not here: run `make run` or `dvc repro`") from error
    if as_json:
        print(json.dumps({"metrics": metrics, "curve": curve}, indent=1))
        return
    from faunashot.evaluation.metrics import HEADLINE, titles

    columns = titles(curve[0] if curve else {})
    rows = [
        {
            "k": row["k"] + (" *" if row["k"] == str(metrics["k"]) else ""),
            columns[HEADLINE]: row[HEADLINE],
            "95 % interval": _interval(row, HEADLINE),
            **{title: row[name] for name, title in columns.items() if name != HEADLINE},
            "episodes": row["runs"],
        }
        for row in curve
    ]
    answer(rows, as_json=False)
    print(
        f"k: labelled clips a class; *: the figures in metrics.json, {metrics['clips']} clips, "
        f"{metrics['classes']} classes"
    )


def _interval(row: dict[str, str], key: str) -> str:
    return f"{row[key + '_low']} to {row[key + '_high']}" if row[key + "_low"] else "none"
