"""``faunashot systems``."""

from __future__ import annotations

from typing import Any

from faunashot.cli.output import AsJson, answer


def systems(as_json: AsJson = False) -> None:
    """Print the catalogue."""
    from dataclasses import asdict

    from faunashot.systems.catalogue import systems as catalogue

    rows = [asdict(found) for found in catalogue().values()]
    answer(rows if as_json else [_row(row) for row in rows], as_json=as_json)


def _row(row: dict[str, Any]) -> dict[str, str]:
    """What fits a person's screen."""
    given = {f"protocol.{name}": value for name, value in row["protocol"].items()}
    settings = ", ".join(f"{name}={value}" for name, value in (given | row["settings"]).items())
    how = [settings, " > ".join(row["steps"]), " + ".join(row["members"])]
    return {
        "name": row["name"],
        "head": row["head"],
        "backbone": row["backbone"],
        "settings, steps before it, members": "; ".join(part for part in how if part),
    }
