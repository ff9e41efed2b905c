"""How much slower Ray is than threads on one machine, and that both write the same bytes.

    python benchmarks/engines.py --data DIR [--clips 10000] [--backbone yamnet]

prints JSON. Recordings of the folder are taken again and again, each time under another name,
until there are enough. Ray is timed with its start, and without.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from stream import own_cache

from faunashot.audio.recordings import recordings_in
from faunashot.features.build import store_features
from faunashot.features.cluster import ray_actors
from faunashot.features.engine import Engine, Progress, local
from faunashot.features.extractors import extractor, feature_names
from faunashot.features.plan import Plan, Recording, plan
from faunashot.files import CACHE
from faunashot.native import quiet_native


def timed(made: Plan, folder: Path, engine: Engine) -> dict[str, Any]:
    """Seconds until the store is there, and from when the first shard was."""
    first: list[float] = []

    def on_progress(step: Progress) -> None:
        if step.written and not first:
            first.append(time.perf_counter())

    began = time.perf_counter()
    with mock.patch.dict(os.environ, {CACHE: str(own_cache(folder))}):
        outcome = store_features(made, folder, engine, on_progress=on_progress)
    ended = time.perf_counter()
    assert not outcome.bad, outcome.bad[0]
    return {
        "seconds": round(ended - began, 2),
        "windows_per_s": round(outcome.windows / (ended - began), 1),
        "until_first_shard_s": round(first[0] - began, 2),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", choices=feature_names(), default="yamnet")
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--clips", type=int, default=10_000)
    asked = parser.parse_args()
    files = recordings_in(asked.data)
    if not files or asked.clips < 1:
        parser.error(f"{asked.data} holds no recordings" if not files else "--clips: at least 1")
    recordings = [
        Recording(f"{n:06}", file) for n, file in enumerate(islice(cycle(files), asked.clips))
    ]
    with quiet_native(), tempfile.TemporaryDirectory() as folder:
        features = extractor(asked.backbone)
        features.network(np.zeros((1, *features.front_end.shape), np.float32))  # loads it
        made = plan(recordings, features)
        answer: dict[str, Any] = {"backbone": asked.backbone, "clips": len(recordings)}
        answer["shards"] = len(made.shards)
        for name, engine in (
            ("local", local(features)),
            ("ray", ray_actors(partial(extractor, asked.backbone))),
        ):
            answer[name] = timed(made, Path(folder) / name, engine)
            print(f"{name}: {answer[name]}", file=sys.stderr)
        content = [
            {file.name: file.read_bytes() for file in (Path(folder) / name).iterdir()}
            for name in ("local", "ray")
        ]
        answer["same_bytes"] = content[0] == content[1]
    answer["ray_over_local"] = round(answer["ray"]["seconds"] / answer["local"]["seconds"], 3)
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
