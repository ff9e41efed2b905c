"""How the cost of all but the networks grows with the corpus: made-up clips, no network.

    python benchmarks/growth.py [--sizes 1000 10000 100000] [--steps ingest audit] [--repeats 3]

prints JSON: of each step seconds and peak memory at each size, and exponents of growth: slopes of
log seconds on log clips. Each step of each size has a process of its own, and is timed without its
imports and without the making of what it works on.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import shutil
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import fft
from sweep import protocol
from threadpoolctl import threadpool_limits

from faunashot.data.audit import audit
from faunashot.data.corpora import create
from faunashot.data.corpora.base import Corpus
from faunashot.data.ingest import ingest
from faunashot.data.splits import Splits
from faunashot.features import shards, store
from faunashot.features.cut import ChunkSpan
from faunashot.features.spec import Derivation, FeatureSpec
from faunashot.features.store import Features, IndexWriter
from faunashot.native import quiet_native
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task
from faunashot.storage import Storage
from faunashot.systems.catalogue import system

SEED = 0
CLASSES, OF_RECORDING, COPY_EVERY = 5, 2, 100
"""Classes; clips of one source recording; of how many clips one is a copy of the one before."""

SIZES, SMALLEST = [1000, 10_000, 100_000], 50
"""Clips; of fewer than the smallest number no five folds of five classes can be made."""

RATE_HZ, SAMPLES = 16_000, 8_000
DIM, WINDOWS, SHARD_ROWS = 1024, 10, 4096
"""Of the features that are stored: width, windows of a clip, windows of a shard."""

STORE = "store"
K, EPISODES = 5, 5

Measured = dict[str, float]


def label_of(n: int) -> str:
    """Class of a clip."""
    return f"class{n // OF_RECORDING % CLASSES}"


def path_of(n: int) -> str:
    """File of a clip."""
    return f"{label_of(n)}/{n:07}.wav"


def record(folder: Path, clips: int) -> None:
    """Write clips of half a second: noise of some colour over a tone, both of their own."""
    for name in {label_of(n) for n in range(clips)}:
        (folder / name).mkdir(exist_ok=True)
    sound = np.zeros(SAMPLES)
    for n in range(clips):
        sound = 0.5 * sound if n % COPY_EVERY == COPY_EVERY - 1 else made_up(n)
        with wave.open(str(folder / path_of(n)), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes((sound * 2**15).astype("<i2").tobytes())


def made_up(n: int) -> npt.NDArray[np.float64]:
    """The sound of a clip, below full scale."""
    rng = np.random.default_rng([SEED, n])
    bins = SAMPLES // 2
    colour = np.interp(np.arange(bins), np.linspace(0, bins, 24), rng.gamma(0.5, size=24))
    spectrum = colour * rng.standard_normal(2 * bins).view(np.complex128)
    spectrum[rng.integers(bins // 4)] += 0.1 * np.abs(spectrum).sum()
    sound = fft.irfft(spectrum, SAMPLES)
    return np.asarray(0.5 * sound / np.abs(sound).max())


def corpus_of(folder: Path, clips: int) -> Corpus:
    """The first clips of the folder, listed in a table; made once."""
    table = f"first{clips}.csv"
    if not (folder / table).exists():
        with (folder / table).open("w", newline="", encoding="utf-8") as opened:
            rows = ((path_of(n), label_of(n), n // OF_RECORDING) for n in range(clips))
            csv.writer(opened).writerows([("path", "label", "group"), *rows])
    return create("folder", table=table)


def ingested(folder: Path, clips: int) -> pd.DataFrame:
    """The first clips of the folder, each measured; made once."""
    file = folder / f"ingested{clips}.parquet"
    if not file.exists():
        ingest(corpus_of(folder, clips), folder).clips.to_parquet(file)
    return pd.read_parquet(file)


def of_ingest(folder: Path, clips: int) -> Callable[[], Any]:
    """Hash, decode and measure every clip."""
    corpus = corpus_of(folder, clips)
    file = folder / f"ingested{clips}.parquet"
    return lambda: ingest(corpus, folder).clips.to_parquet(file)


def of_audit(folder: Path, clips: int) -> Callable[[], Any]:
    """Find what is a copy, exact or near, and join the groups."""
    table = ingested(folder, clips)
    return lambda: audit(table, table[:0], files=lambda role, path: folder / path)


def of_store(folder: Path, clips: int) -> Callable[[], Any]:
    """Write features shard by shard, and open them."""
    place = Storage(folder / STORE)
    windows = np.random.default_rng(SEED).standard_normal((SHARD_ROWS, DIM), dtype=np.float32)
    derivation = Derivation(FeatureSpec("synthetic", "1", "", RATE_HZ, 1.0, 1.0, DIM))

    def written_and_opened() -> Features:
        written, index = [], IndexWriter()
        for start in range(0, clips * WINDOWS, SHARD_ROWS):
            row = np.arange(start, min(start + SHARD_ROWS, clips * WINDOWS))
            start_s = (row % WINDOWS).astype(float)
            numbers, lengths = np.unique(row // WINDOWS, return_counts=True)
            named = [(path_of(n), int(rows)) for n, rows in zip(numbers, lengths, strict=True)]
            windows[:, 0] = start
            rows = shards.ShardRows(windows[: len(row)], start_s, start_s + 1)
            chunks = [(f"{clip_id:>64}", ChunkSpan(), n) for clip_id, n in named]
            facts = shards.write_shard(place, derivation, chunks, rows)
            written.append((facts.key, facts.sha256))
            index.add(named, start_s, start_s + 1)
        store.finish(place, written, index, spec=derivation.spec)
        return store.load(folder / STORE)

    return written_and_opened


def of_splits(folder: Path, clips: int) -> Callable[[], Any]:
    """Make folds and every split of them."""
    table = listed(clips)
    return lambda: list(Splits(table, seed=SEED))


def of_heads(folder: Path, clips: int) -> Callable[[], Any]:
    """Score the few-shot protocol, from features of one window a clip to the tables."""
    table = listed(clips)
    rng = np.random.default_rng(SEED)
    towards = rng.standard_normal((CLASSES, DIM), dtype=np.float32)
    windows = rng.standard_normal((clips, DIM), dtype=np.float32)
    for number in range(CLASSES):
        windows[(table["label"] == f"class{number}").to_numpy()] += 0.1 * towards[number]
    index = pd.DataFrame({"clip_id": table["clip_id"], "start_s": 0.0, "end_s": 1.0})
    features = Features(windows, index, FeatureSpec("synthetic", "1", "", RATE_HZ, 1.0, 1.0, DIM))

    def scored() -> Any:
        target = WindowTable(table, features)
        task = Task(target, target.none(), system("logistic"), SEED)
        return protocol([], k=K, episodes=EPISODES).run(task)

    return scored


def listed(clips: int) -> pd.DataFrame:
    """Clips with label and group, without folds."""
    every = range(clips)
    group = [f"recording{n // OF_RECORDING:06}" for n in every]
    label = [label_of(n) for n in every]
    ids = [path_of(n) for n in every]
    return pd.DataFrame({"clip_id": ids, "label": label, "fold": None, "group": group})


STEPS: dict[str, Callable[[Path, int], Callable[[], Any]]] = {
    "ingest": of_ingest,
    "audit": of_audit,
    "store": of_store,
    "splits": of_splits,
    "heads": of_heads,
}
"""From the folder of the clips, and how many of them, to what is timed."""


def measured(step: str, folder: Path, clips: int) -> Measured:
    """Cost of a step, in this process."""
    with quiet_native(), threadpool_limits(1):
        run = STEPS[step](folder, clips)
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"clips": clips, "wall_s": wall, "cpu_s": cpu, "peak_mb": round(peak_mb)}


def apart(step: str, folder: Path, clips: int, *, repeats: int) -> Measured:
    """Cost of a step in processes of its own: the least time, the most memory."""
    found = []
    for _ in range(repeats):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found.append(pool.submit(measured, step, folder, clips).result())
        shutil.rmtree(folder / STORE, ignore_errors=True)
    least = {key: round(min(one[key] for one in found), 4) for key in ("wall_s", "cpu_s")}
    return {"clips": clips, **least, "peak_mb": max(one["peak_mb"] for one in found)}


def exponents(rows: Sequence[Measured], key: str) -> Measured:
    """Slope of the logarithm of a cost on that of the clips."""

    def slope(of: Sequence[Measured]) -> float:
        clips, cost = (np.log([row[name] for row in of]) for name in ("clips", key))
        return round(float(np.polyfit(clips, cost, 1)[0]), 3)

    return {"all": slope(rows), "last_two": slope(rows[-2:])}


def at_least(least: int) -> Callable[[str], int]:
    """Reader of a whole number."""

    def read(given: str) -> int:
        if not given.isdecimal() or int(given) < least:
            raise argparse.ArgumentTypeError(f"{given!r} is not a whole number from {least}")
        return int(given)

    return read


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line; what is wrong with it is said in one line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], usage=argparse.SUPPRESS, allow_abbrev=False
    )
    parser.add_argument("--sizes", type=at_least(SMALLEST), nargs="+", default=SIZES)
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--repeats", type=at_least(1), default=1)
    asked = parser.parse_args(given)
    asked.sizes = sorted(set(asked.sizes))
    if len(asked.sizes) < 2:
        parser.error("argument --sizes: growth takes two sizes or more")
    return asked


def main(given: list[str] | None = None) -> None:
    """Measure each step at each size, the small ones first."""
    asked = arguments(given)
    found = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if {"ingest", "audit"} & set(asked.steps):
            print(f"{asked.sizes[-1]} clips to be made up", file=sys.stderr)
            record(folder, asked.sizes[-1])
        for step in asked.steps:
            rows = []
            for clips in asked.sizes:
                rows.append(apart(step, folder, clips, repeats=asked.repeats))
                print(step, rows[-1], file=sys.stderr)
            slopes = {f"{key}_exponent": exponents(rows, key) for key in ("wall_s", "cpu_s")}
            found.append({"step": step, "sizes": rows, **slopes})
    print(json.dumps({"steps": found, "settings": vars(asked)}, indent=1))


if __name__ == "__main__":
    main()
