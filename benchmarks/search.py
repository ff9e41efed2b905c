"""How fast the most similar of many windows are found, and how many of them.

Windows are random but clustered, as embeddings are: each lies about one of many centres in a space
of fewer dimensions than it has. Queries are further windows of the same kind.

    python benchmarks/search.py --windows 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features
from faunashot.search import database
from faunashot.search.database import WindowDatabase, bring_up_to_date

TOP = 10
AT_ONCE = 20_000
OF_A_RECORDING = 1000


class Clusters:
    """Draws windows of length 1.

    Parameters
    ----------
    dim, inner : int
        Of the windows, and of the space that the centres lie in.
    centres : int
    """

    def __init__(self, dim: int, *, inner: int, centres: int) -> None:
        rng = np.random.default_rng(0)
        self.basis = rng.standard_normal((inner, dim), np.float32)
        self.centres = rng.standard_normal((centres, inner), np.float32)

    def draw(self, n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
        """So many windows, shape (n, dim)."""
        count, inner = self.centres.shape
        about = self.centres[rng.integers(0, count, n)]
        about = about + 0.5 * rng.standard_normal(about.shape, np.float32)
        windows = about @ self.basis
        windows += 0.3 * np.sqrt(inner) * rng.standard_normal(windows.shape, np.float32)
        return np.asarray(windows / np.linalg.norm(windows, axis=1, keepdims=True), np.float32)


def main() -> None:
    """Measure, and print JSON."""
    given = arguments()
    clusters = Clusters(given.dim, inner=given.inner, centres=given.centres)
    queries = clusters.draw(given.queries, np.random.default_rng(1))
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        features = drawn(Path(made) / "windows.npy", clusters, given.windows)
        truth = nearest(features.windows, queries)
        began = time.perf_counter()
        bring_up_to_date(Path(made) / "database", features, of="made up")
        export_s = time.perf_counter() - began
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began = time.perf_counter()
        opened = WindowDatabase.open(Path(made) / "database")
        open_s = time.perf_counter() - began
        result = {
            "windows": given.windows,
            "dim": given.dim,
            "export_s": round(export_s, 1),
            "windows_per_s": round(given.windows / export_s),
            "peak_mb": round(peak_mb),
            "database_mb": round(sum(f.stat().st_size for f in opened.folder.iterdir()) / 2**20),
            "open_ms": round(1000 * open_s, 1),
            "searches": [
                searched(opened, queries, truth, expansion=expansion)
                for expansion in given.expansion
            ],
            "load": round(os.getloadavg()[0], 1),
        }
    print(json.dumps(result, indent=1))


def drawn(file: Path, clusters: Clusters, n: int) -> Features:
    """Features of n windows, on disk."""
    dim = clusters.basis.shape[1]
    windows = np.lib.format.open_memmap(file, "w+", np.float32, (n, dim))
    rng = np.random.default_rng(2)
    for at, size in parts(n):
        windows[at : at + size] = clusters.draw(size, rng)
    number = np.arange(n)
    index = pd.DataFrame(
        {
            "clip_id": pd.Categorical.from_codes(
                number // OF_A_RECORDING,
                [f"recording-{one}.wav" for one in range(-(-n // OF_A_RECORDING))],
            ).astype(str),
            "start_s": (number % OF_A_RECORDING).astype(float),
            "end_s": (number % OF_A_RECORDING + 1).astype(float),
        }
    )
    return Features(windows, index, FeatureSpec("made-up", "1", "0" * 64, 16000, 1.0, 1.0, dim))


def nearest(
    windows: npt.NDArray[np.float32], queries: npt.NDArray[np.float32]
) -> list[set[tuple[str, float]]]:
    """The truly most similar windows of each query, by recording and start."""
    best = np.full((len(queries), TOP), -2.0, np.float32)
    rows = np.zeros((len(queries), TOP), np.int64)
    for at, size in parts(len(windows)):
        every = np.hstack([best, queries @ windows[at : at + size].T])
        numbers = np.hstack([rows, np.tile(np.arange(at, at + size), (len(queries), 1))])
        first = np.argpartition(-every, TOP, axis=1)[:, :TOP]
        best, rows = (np.take_along_axis(of, first, axis=1) for of in (every, numbers))
    return [
        {(f"recording-{row // OF_A_RECORDING}.wav", float(row % OF_A_RECORDING)) for row in of}
        for of in rows
    ]


def searched(
    opened: WindowDatabase,
    queries: npt.NDArray[np.float32],
    truth: list[set[tuple[str, float]]],
    *,
    expansion: int,
) -> dict[str, Any]:
    """Milliseconds a query takes, from the embedding to the answer, and the recall at `TOP`."""
    database.EXPANSION_SEARCH = expansion
    opened = WindowDatabase.open(opened.folder)
    took, recall = [], []
    for query, wanted in zip(queries, truth, strict=True):
        began = time.perf_counter()
        hits = opened.search(query, n=TOP, exact=False, overlapping=True)
        took.append(1000 * (time.perf_counter() - began))
        recall.append(len(wanted & {(hit.file, hit.start_s) for hit in hits}) / TOP)
    return {
        "expansion_search": expansion,
        "recall_at_10": round(float(np.mean(recall)), 4),
        "first_ms": round(took[0], 1),
        "median_ms": round(float(np.median(took)), 2),
        "p95_ms": round(float(np.quantile(took, 0.95)), 2),
        "p99_ms": round(float(np.quantile(took, 0.99)), 2),
    }


def parts(n: int) -> Iterator[tuple[int, int]]:
    """Begin and size of parts of n."""
    for at in range(0, n, AT_ONCE):
        yield at, min(AT_ONCE, n - at)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=1024)
    parser.add_argument("--inner", type=int, default=64, help="dimensions that centres lie in")
    parser.add_argument("--centres", type=int, default=2000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--expansion", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--folder", type=Path, help="for what is written, 10 GB of a million")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
