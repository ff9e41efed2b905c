"""``faunashot backbones``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer, note

if TYPE_CHECKING:
    from faunashot.backbones.base import Backbone

app = typer.Typer(rich_markup_mode=None)

TABLES = (
    ("name", "runtime", "rate_hz", "window_s", "layers"),
    ("name", "parameters", "macs", "windows_per_s", "weights"),
    ("name", "licence", "trained_on"),
)
"""Columns of the tables: what backbones take and give, what they cost, where they come from."""


@app.callback(invoke_without_command=True)
def backbones(
    context: typer.Context,
    measure: Annotated[
        bool, typer.Option(help="Run those whose weights are here: windows a second.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the registered backbones: what they are, cost, and have learned from.

    Parameters and multiply-adds (macs) are those of one window to the default layer.
    """
    if context.invoked_subcommand is not None:
        return
    from faunashot.backbones.base import BACKBONES

    rows = [_facts(kind) for kind in BACKBONES.classes().values()]
    if measure:
        for row in rows:
            if row["weights"] == "here":
                row["windows_per_s"] = _windows_per_s(row["name"])
    if as_json:
        answer(rows, as_json=True)
        return
    rows = [row | _short(row) for row in rows]
    for columns in TABLES:
        shown = [name for name in columns if measure or name != "windows_per_s"]
        answer(rows, as_json=False, columns=shown)


def _facts(kind: type[Backbone]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(kind.card),
        "runtime": kind.runtime,
        "rate_hz": kind.front_end_class.sample_rate,
        "window_s": kind.front_end_class.window_s,
        "layers": dict(kind.layers),
        **asdict(kind.cost),
        "weights": _weights(kind),
    }


def _weights(kind: type[Backbone]) -> str:
    from faunashot.errors import WeightsError

    try:
        return "at first use" if kind.weights_here() is None else "here"
    except WeightsError:
        return "not here"


def _windows_per_s(name: str) -> float:
    from faunashot.features.extractors import extractor
    from faunashot.features.speed import windows_per_s

    return float(f"{windows_per_s(extractor(name)):.3g}")


def _short(row: Mapping[str, Any]) -> dict[str, str]:
    """Layers and large numbers of a row as a table shows them."""
    large = {name: rounded(row[name]) for name in ("parameters", "macs")}
    return {"layers": layers_in_short(row["layers"])} | large


def layers_in_short(layers: Mapping[str, int]) -> str:
    """The default layer with its length, and how many there are beside it."""
    (name, dim), *others = layers.items()
    return f"{name} ({dim})" + (f" and {len(others)} more" if others else "")


def rounded(number: int | None) -> str:
    """A large number in millions or, from a thousand of them on, billions; empty for None."""
    if number is None:
        return ""
    millions = number / 1e6
    return f"{millions:.1f} M" if millions < 1000 else f"{millions / 1000:.1f} G"


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Of a backbone that is declared, in YAML.")],
    as_json: AsJson = False,
) -> None:
    """Load a declared backbone, run it on noise and on silence, and say what it gives.

    What is wrong with it is said in one line. See docs/BACKBONES.md.
    """
    from faunashot.backbones._declared.check import check

    found = check(file)
    if as_json:
        answer([{**found.facts, "remarks": found.remarks}], as_json=True)
        return
    answer([{"": name, file.name: what} for name, what in found.facts.items()], as_json=False)
    for remark in found.remarks:
        note(f"{file.name}: {remark}")
