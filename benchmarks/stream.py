"""Time and peak memory of `faunashot embed` against the length of a recording.

    python benchmarks/stream.py [--backbone yamnet] [--minutes 10 60 240] [--sample-rate 48000]

prints JSON. The recordings are made here: calls of the synthetic corpus, one after the other in
drawn order, as a WAV file of 16 bits. Memory must not grow with length.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf

from faunashot.audio.synth import CLASSES, synthesise
from faunashot.features.extractors import feature_names
from faunashot.files import CACHE, cache_folder

CALL_S = 5.0
CALLS = 24


def write_recording(file: Path, *, minutes: float, sample_rate: int, seed: int = 0) -> None:
    """A recording of so many minutes, written call by call."""
    rng = np.random.default_rng(seed)
    calls = [
        synthesise(label, rng, duration_s=CALL_S, sample_rate=sample_rate)
        for label in itertools.islice(itertools.cycle(CLASSES), CALLS)
    ]
    with sf.SoundFile(file, "w", sample_rate, 1, subtype="PCM_16") as opened:
        for _ in range(round(minutes * 60 / CALL_S)):
            opened.write(calls[rng.integers(CALLS)] * rng.uniform(0.3, 1.0))


def measured(file: Path, backbone: str, folder: Path) -> dict[str, float]:
    """Wall time and peak memory of embedding a file in a process of its own."""
    program = [sys.executable, Path(__file__).with_name("peak.py"), "embed", file]
    options = ["--backbone", backbone, "--out", folder]
    env = {**os.environ, CACHE: str(own_cache(folder))}
    began = time.perf_counter()
    done = subprocess.run(
        [*program, *options], check=True, stdout=subprocess.PIPE, text=True, env=env
    )
    return {"wall_s": round(time.perf_counter() - began, 2), **json.loads(done.stdout)}


def own_cache(folder: Path) -> Path:
    """A cache beside a folder without features, but with the networks that are converted."""
    cache = folder.with_name(f"{folder.name} cache")
    cache.mkdir()
    converted = cache_folder() / "litert"
    converted.mkdir(parents=True, exist_ok=True)
    (cache / converted.name).symlink_to(converted, target_is_directory=True)
    return cache


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", choices=feature_names(), default="yamnet")
    parser.add_argument("--minutes", type=float, nargs="+", default=[10, 60, 240])
    parser.add_argument("--sample-rate", type=int, default=48_000)
    asked = parser.parse_args()
    rows = []
    for minutes in asked.minutes:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "night.wav"
            write_recording(file, minutes=minutes, sample_rate=asked.sample_rate)
            row = measured(file, asked.backbone, Path(folder) / "store")
        rows.append({"minutes": minutes, **row, "audio_h_per_min": minutes / row["wall_s"]})
        print(f"{minutes:g} min of audio: {row['wall_s']} s", file=sys.stderr)
    answer = {
        "backbone": asked.backbone,
        "sample_rate": asked.sample_rate,
        "lengths": rows,
        "peak_growth_mb": rows[-1]["peak_mb"] - rows[0]["peak_mb"],
    }
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
