"""How long the few-shot curve takes: synthetic features, no audio, no network.

    python benchmarks/sweep.py [--systems logistic rectified prototype] [--threads 2]

prints JSON: wall and processor seconds of each system and in all, and the peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features
from faunashot.protocols.few_shot import FewShot
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task
from faunashot.systems.catalogue import system

CURVE = [1, 2, 3, 5, 8, 10, 16, 20, 32]


def corpus(*, clips: int, classes: int, dim: int, windows: int, seed: int) -> WindowTable:
    """Features as of a rectifier, not negative and mostly small, one direction a class."""
    rng = np.random.default_rng(seed)
    of = np.arange(clips) % classes
    table = pd.DataFrame(
        {
            "clip_id": [f"clip{n:05}" for n in range(clips)],
            "label": [f"class{n:02}" for n in of],
            "fold": [str(1 + n // classes % 5) for n in range(clips)],
            "group": [f"recording{n:05}" for n in range(clips)],
        }
    )
    centre = rng.gamma(0.5, size=(classes, dim))
    clip = centre[of] + rng.normal(0, 1.5, size=(clips, dim))
    noise = rng.normal(0, 1.0, size=(clips, windows, dim))
    values = np.maximum(clip[:, None] + noise, 0).reshape(clips * windows, dim)
    start = np.tile(np.arange(windows, dtype=float), clips)
    index = pd.DataFrame(
        {"clip_id": table["clip_id"].repeat(windows), "start_s": start, "end_s": start + 1}
    ).reset_index(drop=True)
    spec = FeatureSpec("synthetic", "1", "", 16_000, 1.0, 1.0, dim)
    return WindowTable(table, Features(values.astype(np.float32), index, spec))


def protocol(curve: list[int], *, k: int, episodes: int) -> FewShot:
    """The few-shot protocol with these numbers."""
    return FewShot(FewShot.Options(k_values=tuple(curve), episodes=episodes), k=k)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--systems", nargs="+", default=["logistic", "rectified", "prototype"])
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--windows", type=int, default=4, help="of each clip")
    parser.add_argument("--k", type=int, nargs="+", default=CURVE)
    parser.add_argument("--headline", type=int, default=5, help="k whose windows are scored too")
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1, help="of the linear algebra")
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> None:
    """Time each system on the same task."""
    asked = arguments(given)
    target = corpus(
        clips=asked.clips,
        classes=asked.classes,
        dim=asked.dim,
        windows=asked.windows,
        seed=asked.seed,
    )
    few_shot = protocol(asked.k, k=asked.headline, episodes=asked.episodes)
    task = Task(target, target.none(), system(asked.systems[0]), asked.seed)
    rows = []
    with threadpool_limits(asked.threads):
        for name in asked.systems:
            wall, cpu = time.perf_counter(), time.process_time()
            outcome = few_shot.run(replace(task, system=system(name)))
            row = {
                "system": name,
                "wall_s": round(time.perf_counter() - wall, 2),
                "cpu_s": round(time.process_time() - cpu, 2),
                "scored": len(outcome.held_out),
            }
            print(row, file=sys.stderr)
            rows.append(row)
    found = {
        "systems": rows,
        "wall_s": round(sum(row["wall_s"] for row in rows), 2),
        "cpu_s": round(sum(row["cpu_s"] for row in rows), 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "settings": vars(asked),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
