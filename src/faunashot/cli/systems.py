"""``faunashot systems``."""

from __future__ import annotations

from faunashot.cli.output import AsJson, answer


def systems(as_json: AsJson = False) -> None:
    """Print the catalogue."""
    from dataclasses import asdict

    from faunashot.systems.catalogue import systems as catalogue

    rows = [asdict(found) for found in catalogue().values()]
    answer(rows, as_json=as_json, columns=["name", "head", "settings", "steps"])
