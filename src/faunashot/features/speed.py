"""How many windows an extractor embeds in a second on this machine."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from faunashot.features.extract import cores
from faunashot.features.extractors import Extractor

MEASURED_S = 2.0
"""For how long an extractor is run to be measured."""


def windows_per_s(source: Extractor) -> float:
    """Windows of noise that are embedded in a second, front end and network, on all processors.

    What is loaded once is loaded before.
    """
    samples = np.random.default_rng(0).normal(0, 0.1, source.window_samples).astype(np.float32)

    def embed(_: int) -> int:
        rows = np.concatenate([source.front_end(samples)[:1] for _ in range(source.batch_size)])
        return len(source.network(rows))

    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(embed, range(cores())))
        began, windows = time.perf_counter(), 0
        while time.perf_counter() - began < MEASURED_S:
            windows += sum(pool.map(embed, range(cores())))
        return windows / (time.perf_counter() - began)
