"""``faunashot backbones``."""

from __future__ import annotations

from faunashot.cli.output import AsJson, answer


def backbones(as_json: AsJson = False) -> None:
    """Print the registered backbones; no weights are loaded."""
    from dataclasses import asdict

    from faunashot.backbones.base import BACKBONES

    rows = [
        {**asdict(kind.card), "layers": dict(kind.layers)} for kind in BACKBONES.classes().values()
    ]
    if not as_json:
        for row in rows:
            row["layers"] = ", ".join(f"{name} ({dim})" for name, dim in row["layers"].items())
    answer(rows, as_json=as_json, columns=["name", "version", "layers", "licence"])
