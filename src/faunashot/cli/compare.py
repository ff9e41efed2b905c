"""``faunashot compare``."""

from __future__ import annotations

from faunashot.cli.output import AsJson, answer


def compare(as_json: AsJson = False) -> None:
    """Print one row an experiment, newest first."""
    from faunashot.tracking import models, store

    table = models.compare(store.root())
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    answer([{str(k): v for k, v in row.items()} for row in rows], as_json=as_json)
