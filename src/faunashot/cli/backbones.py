"""``faunashot backbones``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faunashot.cli.output import AsJson, answer, note

if TYPE_CHECKING:
    from faunashot.backbones.base import Backbone

app = typer.Typer(rich_markup_mode=None)

MEASURED_S = 2.0
"""For how long a network is run to be measured."""


@app.callback(invoke_without_command=True)
def backbones(
    context: typer.Context,
    measure: Annotated[
        bool, typer.Option(help="Run those whose weights are here: windows a second.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the registered backbones, and whether their weights are here."""
    if context.invoked_subcommand is not None:
        return
    from dataclasses import asdict

    from faunashot.backbones.base import BACKBONES

    rows = [
        {
            **asdict(kind.card),
            "rate_hz": kind.front_end_class.sample_rate,
            "window_s": kind.front_end_class.window_s,
            "layers": dict(kind.layers),
            "weights": _weights(kind),
        }
        for kind in BACKBONES.classes().values()
    ]
    columns = ["name", "rate_hz", "window_s", "layers", "weights", "licence"]
    if measure:
        columns.insert(-1, "windows_per_s")
        for row in rows:
            if row["weights"] == "here":
                row["windows_per_s"] = round(_windows_per_s(row["name"]), 1)
    if not as_json:
        for row in rows:
            (name, dim), *others = row["layers"].items()
            row["layers"] = f"{name} ({dim})" + (f" and {len(others)} more" if others else "")
    answer(rows, as_json=as_json, columns=columns)


def _weights(kind: type[Backbone]) -> str:
    from faunashot.errors import WeightsError

    try:
        return "at first use" if kind.weights_here() is None else "here"
    except WeightsError:
        return "not here"


def _windows_per_s(name: str) -> float:
    """Windows that the default layer embeds in a second, on all processors, once it is loaded."""
    import time
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from faunashot.features.extract import cores
    from faunashot.features.extractors import extractor

    source = extractor(name)
    samples = np.random.default_rng(0).normal(0, 0.1, source.window_samples).astype(np.float32)

    def embed(_: int) -> int:
        rows = np.concatenate([source.front_end(samples)[:1] for _ in range(source.batch_size)])
        return len(source.network(rows))

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(embed, range(cores())))  # loads it
        began, windows = time.perf_counter(), 0
        while time.perf_counter() - began < MEASURED_S:
            windows += sum(pool.map(embed, range(cores())))
        return windows / (time.perf_counter() - began)


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
