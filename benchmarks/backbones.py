"""Windows a second and memory of every backbone, of a batch at a time on each processor.

    python benchmarks/backbones.py [NAME ...] [--page docs/BACKBONES.md]

prints JSON, a row a backbone: windows a second, front end and network; the peak memory in GB of
the process that embeds, and of the one-time conversion for LiteRT. A network in Keras has weights
that are drawn, and is converted into a cache of its own; the others are measured where their own
weights are here. Each has a process to itself. `--page` writes the figures into the table of all
backbones.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from faunashot.backbones._keras import KerasBackbone
from faunashot.backbones.base import BACKBONES, Backbone
from faunashot.cli.backbones import layers_in_short, rounded
from faunashot.errors import WeightsError
from faunashot.files import CACHE

MADE_UP = Path(__file__).resolve().parents[1] / "tests" / "backbones"
DRAW = "import sys, pathlib, made_up; made_up.made_up_file(sys.argv[1], pathlib.Path(sys.argv[2]))"
HEAD = (
    "backbone",
    "runtime",
    "rate, window",
    "layers",
    "parameters",
    "MACs",
    "windows/s",
    "what it heard in training",
    "licence of the weights",
)
TABLE = re.compile(r"^\| backbone \| runtime \| rate, window \| layers .*?\n(?=\n)", re.M | re.S)
SPEED = HEAD.index("windows/s")


def measured(name: str, weights: str) -> dict[str, Any]:
    """Measure a backbone in this process; `weights` is a file of drawn ones, or empty."""
    from faunashot.features.extractors import extractor
    from faunashot.features.speed import windows_per_s

    found = windows_per_s(extractor(name, options={"weights": weights} if weights else {}))
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    own, steps = (resource.getrusage(of).ru_maxrss * 1024 / 1e9 for of in whose)
    return {
        "name": name,
        "windows_per_s": float(f"{found:.3g}"),
        "peak_gb": round(own, 2),
        "conversion_gb": round(steps, 2) if weights else None,
    }


def in_a_process(name: str) -> dict[str, Any]:
    """Measure a backbone in a process of its own, one in Keras with weights that are drawn."""
    with tempfile.TemporaryDirectory() as folder:
        command, env = [sys.executable, __file__, name, "--one"], dict(os.environ)
        if issubclass(BACKBONES[name], KerasBackbone):
            env["PYTHONPATH"] = str(MADE_UP)
            subprocess.run([sys.executable, "-c", DRAW, name, folder], env=env, check=True)
            command += ["--weights", str(Path(folder, f"{name}.safetensors"))]
            env[CACHE] = folder
        done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def can_be_run(name: str) -> bool:
    """Whether its weights are here, or can be drawn."""
    try:
        kind = BACKBONES[name]
        return issubclass(kind, KerasBackbone) or kind.weights_here() is not None
    except WeightsError:
        return False


def cells(kind: type[Backbone], speed: str) -> list[str]:
    """The row of a backbone in the table of all."""
    of = kind.front_end_class
    return [
        f"`{kind.card.name}`",
        kind.runtime,
        f"{of.sample_rate / 1000:g} kHz, {of.window_s:g} s",
        layers_in_short(kind.layers),
        rounded(kind.cost.parameters),
        rounded(kind.cost.macs),
        speed,
        kind.card.trained_on,
        kind.card.licence,
    ]


def table(page: str) -> list[list[str]]:
    """Rows of the table of all backbones as a page has it."""
    lines = TABLE.search(page)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def written(page: str, found: list[dict[str, Any]]) -> str:
    """The page with that table anew; a backbone that was not measured keeps its figure."""
    speeds = {row[0]: row[SPEED] for row in table(page)}
    speeds |= {f"`{row['name']}`": f"{row['windows_per_s']:g}" for row in found}
    rows = [cells(kind, speeds.get(f"`{n}`", "")) for n, kind in BACKBONES.classes().items()]
    lines = [HEAD, ["---"] * len(HEAD), *rows]
    return TABLE.sub(lambda _: "".join(f"| {' | '.join(row)} |\n" for row in lines), page)


def main() -> None:
    """Measure each in a process of its own, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="backbones; all that can be run if none")
    parser.add_argument("--page", type=Path, help="whose table of all backbones is written anew")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--weights", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measured(asked.names[0], asked.weights)))
        return
    found = []
    for name in asked.names or filter(can_be_run, BACKBONES):
        found.append(in_a_process(name))
        print(found[-1], file=sys.stderr)
        if asked.page:
            asked.page.write_text(written(asked.page.read_text("utf-8"), found), "utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
