"""``faunashot backbones``."""

from __future__ import annotations

from faunashot.cli.output import AsJson, answer


def backbones(as_json: AsJson = False) -> None:
    """Print the registry; no weights are loaded."""
    from faunashot.backbones.registry import BACKBONES, backbone_class

    facts = ("version", "sample_rate", "window_s", "dim", "licence", "source", "trained_on")
    rows = [
        {"backbone": name, **{key: getattr(backbone_class(name), key) for key in facts}}
        for name in BACKBONES
    ]
    answer(rows, as_json=as_json, columns=["backbone", "version", "window_s", "dim", "licence"])
