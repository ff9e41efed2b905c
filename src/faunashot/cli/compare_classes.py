"""``faunashot compare A B --classes``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from faunashot.cli.output import answer, intervals, note
from faunashot.errors import TrackingError
from faunashot.wording import INTERVAL, decimals


def compare_classes(names: Sequence[str], *, plot: Path | None, as_json: bool) -> None:
    """Print how each experiment ranks the clips of each class beside the first one."""
    if len(names) < 2:
        raise TrackingError("--classes: name two experiments or more, the general one first")
    from faunashot.tracking import class_pairing, pairing, store
    from faunashot.tracking.sync import sync_new

    sync_new(store.root())
    found = class_pairing.by_class(pairing.scored_runs(store.root(), names))
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    else:
        for one in found:
            _show(one)
        note(
            f"Average precision; {INTERVAL} of the difference: the same recordings drawn for both. "
            "Of so many classes one in twenty lies outside its interval by chance."
        )
    if plot:
        from faunashot.evaluation.plots.class_effect import class_effect_figure

        points = pd.concat([one.points() for one in found]).drop_duplicates()
        class_effect_figure(points).savefig(plot)


def _show(one: Any) -> None:
    from faunashot.evaluation.metrics import metrics_for

    titles = {name: metric.title for name, metric in metrics_for(multi_label=True).items()}
    note(f"{one.experiment} less {one.against}: {one.pairing}.")
    for sentence in one.left_out:
        note(f"Left out: {sentence}.")
    rows = [_row(row, one, name=titles[row["label"]]) for row in one.overall]
    answer([*rows, *(_row(row, one, name=row["label"]) for row in one.classes)], as_json=False)


def _row(row: Mapping[str, Any], one: Any, *, name: str) -> dict[str, Any]:
    return {
        "class": name,
        "clips": row.get("clips"),
        one.against: decimals(row["b"]),
        one.experiment: decimals(row["a"]),
        "difference": decimals(row["difference"], sign=True),
        INTERVAL: intervals(row, "difference"),
    }
