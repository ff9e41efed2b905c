"""``faunashot compare``."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from faunashot.cli.output import AsJson, answer


def compare(as_json: AsJson = False) -> None:
    """Print one row an experiment, newest first."""
    from faunashot.tracking import models, store

    table = models.compare(store.root())
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    answer([_row(row, whole=as_json) for row in rows], as_json=as_json)


def _row(row: dict[Hashable, Any], *, whole: bool) -> dict[str, Any]:
    """The row for a program, or what fits a person's screen."""
    if whole:
        return {str(key): value for key, value in row.items()}
    low, high = row["macro_f1_low"], row["macro_f1_high"]
    return {
        "experiment": row["name"],
        "corpus": row["corpus"],
        "system": f"{row['backbone']}-{row['system']}",
        "protocol": row["protocol"],
        "k": row["k"],
        "macro-F1": row["macro_f1"],
        "interval": None if low is None else f"{low} to {high}",
    }
