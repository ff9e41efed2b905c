"""``faunashot show``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from faunashot.changed import print_changed
from faunashot.cli.output import AsJson, answer, note
from faunashot.errors import StoreError
from faunashot.evaluation import LEAKING
from faunashot.wording import (
    DRAWS_ALONE,
    INTERVAL,
    decimals,
    interval,
    is_drawn,
    labelled,
    sentence,
)


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
    drawn = any(is_drawn(row, HEADLINE) for row in curve)
    marked = [row | {"k": row["k"] + " *" * (row["k"] == str(metrics["k"]))} for row in curve]
    answer(
        [
            {
                "k": row["k"],
                **({"labelled": labelled(row)} if labelled(curve[0]) else {}),
                columns[HEADLINE]: decimals(row[HEADLINE]),
                INTERVAL: interval(row, HEADLINE),
                **({DRAWS_ALONE: interval(row, HEADLINE, draws=True)} if drawn else {}),
                "episodes": row["runs"],
            }
            for row in marked
        ],
        as_json=False,
    )
    answer(
        [
            {"k": row["k"]}
            | {title: decimals(row[name]) for name, title in columns.items() if name != HEADLINE}
            for row in marked
        ],
        as_json=False,
    )
    if leaking := metrics.get(LEAKING):
        note(
            f"Over random folds, which leak and give no result: macro-F1 "
            f"{decimals(leaking[HEADLINE])} ({interval(leaking, HEADLINE)}); the run less that: "
            f"{decimals(leaking['difference'], sign=True)} ({interval(leaking, 'difference')})."
        )
    note(sentence(drawn=drawn))
    if curve and labelled(curve[0]):
        note("labelled: clips that the class with the fewest and that with the most had.")
    note(
        f"k: labelled clips a class; *: the figures in metrics.json, {metrics['clips']} clips, "
        f"{metrics['classes']} classes"
    )
    print_changed(Path())
