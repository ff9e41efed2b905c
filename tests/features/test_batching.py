"""Windows of calls side by side, in shared batches of a network."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from faunashot.features.batching import MicroBatches


class Network:
    """Doubles its inputs, and notes how many windows came at a time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        self.go_on.wait(10)
        if (inputs < 0).any():
            raise ValueError("negative")
        self.sizes.append(len(inputs))
        return 2 * inputs


def windows(count: int, *, first: int = 0) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float32)[:, None]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_each_gets_what_is_its_own_whoever_comes_beside(workers: int) -> None:
    network = Network()
    with ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(8) as clients:
        batches = MicroBatches(network, most=7, pool=pool, workers=workers)
        asked = [windows(1 + n % 11, first=n) for n in range(200)]
        found = list(clients.map(lambda of: batches.submit(of).result(timeout=20), asked))
    for inputs, rows in zip(asked, found, strict=True):
        np.testing.assert_array_equal(rows, 2 * inputs)
    assert max(network.sizes) <= 7
    assert sum(network.sizes) == sum(map(len, asked))


def test_what_waits_goes_through_in_one_batch() -> None:
    network = Network()
    with ThreadPoolExecutor(1) as pool:
        batches = MicroBatches(network, most=32, pool=pool, workers=1)
        network.go_on.clear()
        asked = [batches.submit(windows(5)) for _ in range(5)]
        network.go_on.set()
        for rows in asked:
            np.testing.assert_array_equal(rows.result(timeout=10), 2 * windows(5))
    assert network.sizes[-1] >= 20  # the first may have begun alone


def test_what_comes_alone_is_shared_among_the_threads_and_does_not_wait() -> None:
    network = Network()
    network.go_on.clear()
    with ThreadPoolExecutor(2) as pool:
        batches = MicroBatches(network, most=32, pool=pool, workers=2)
        alone = batches.submit(windows(10))
        network.go_on.set()
        assert len(alone.result(timeout=10)) == 10
    assert sorted(network.sizes) in ([5, 5], [10])  # where the second thread came too late


def test_a_failure_is_raised_to_those_in_its_batch_and_the_next_are_answered() -> None:
    network = Network()
    with ThreadPoolExecutor(2) as pool:
        batches = MicroBatches(network, most=4, pool=pool, workers=2)
        with pytest.raises(ValueError, match="negative"):
            batches.submit(-1 - windows(9)).result(timeout=10)
        np.testing.assert_array_equal(batches.submit(windows(9)).result(10), 2 * windows(9))
