"""Windows of several recordings through a network together, as they come side by side."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from faunashot.features.extractors import Extractor
from faunashot.frontends.base import FloatArray


class SharedThreads:
    """Threads that calls side by side share, and batches that they fill together.

    Parameters
    ----------
    workers : int
        Threads, one a processor: no more than so many recordings are decoded, or batches in a
        network, at a time.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="recognise")
        self._batches: dict[tuple[int, str], MicroBatches] = {}
        self._lock = threading.Lock()

    def submit(self, extractor: Extractor, inputs: FloatArray) -> Future[FloatArray]:
        """Put inputs, (N, ...), through the extractor's network, in batches with those of others.

        What is submitted for a backbone and a layer shares batches, whichever extractor it is for.
        """
        if extractor.backbone is None:  # a front end by itself, which has nothing more to do
            return self.pool.submit(extractor.network, inputs)
        key = id(extractor.backbone), extractor.layer
        with self._lock:
            if key not in self._batches:
                self._batches[key] = MicroBatches(
                    extractor.network,
                    most=extractor.batch_size,
                    pool=self.pool,
                    workers=self.workers,
                )
            batches = self._batches[key]
        return batches.submit(inputs)


class MicroBatches:
    """What waits for a network when a thread is free goes through it in one batch.

    Nothing waits for a batch to fill: inputs that come alone go through at once, shared among the
    threads that are free. A row of the result depends on no other row (`Backbone.embed`), so that
    it is the same in whatever company it was computed.

    Parameters
    ----------
    network : callable
        From inputs, (N, ...), to features, (N, dim).
    most : int
        Windows of a batch.
    pool : ThreadPoolExecutor
        Where it runs.
    workers : int
        Threads of the pool.
    """

    def __init__(
        self,
        network: Callable[[FloatArray], FloatArray],
        *,
        most: int,
        pool: ThreadPoolExecutor,
        workers: int,
    ) -> None:
        self._network, self._most = network, most
        self._pool, self._workers = pool, workers
        self._waiting: deque[tuple[_Rows, FloatArray, int]] = deque()
        self._running = 0
        self._lock = threading.Lock()

    def submit(self, inputs: FloatArray) -> Future[FloatArray]:
        """Put inputs, (N, ...) with N > 0, through the network; the future gives (N, dim)."""
        rows = _Rows(len(inputs))
        with self._lock:
            self._waiting.append((rows, inputs, 0))
        for _ in range(min(self._workers, len(inputs))):
            self._pool.submit(self._run)
        return rows.future

    def _run(self) -> None:
        """Take what waits, as much as is this thread's share, until nothing does."""
        while parts := self._take():
            try:
                found = self._network(np.concatenate([inputs for _, inputs, _ in parts]))
            except BaseException as error:  # is raised to those who wait for it
                for rows, _, _ in parts:
                    rows.fail(error)
            else:
                at = 0
                for rows, inputs, first in parts:
                    rows.fill(first, found[at : at + len(inputs)])
                    at += len(inputs)
            with self._lock:
                self._running -= 1

    def _take(self) -> list[tuple[_Rows, FloatArray, int]]:
        """Parts of what waits, of `most` windows at most: their rows, inputs and first number."""
        with self._lock:
            total = sum(len(inputs) for _, inputs, _ in self._waiting)
            free = max(1, self._workers - self._running)
            room, parts = min(self._most, -(-total // free)), []
            while room and self._waiting:
                rows, inputs, first = self._waiting.popleft()
                if len(inputs) > room:
                    self._waiting.appendleft((rows, inputs[room:], first + room))
                    inputs = inputs[:room]
                parts.append((rows, inputs, first))
                room -= len(inputs)
            if parts:
                self._running += 1
            return parts


class _Rows:
    """The result of what was submitted together, filled part by part from several threads."""

    def __init__(self, count: int) -> None:
        self.future: Future[FloatArray] = Future()
        self._missing = count
        self._parts: dict[int, FloatArray] = {}
        self._lock = threading.Lock()

    def fill(self, first: int, found: FloatArray) -> None:
        """Take the rows from number `first` on."""
        with self._lock:
            self._parts[first] = found
            self._missing -= len(found)
            done = not self._missing and not self.future.done()
        if done:
            parts = [self._parts[at] for at in sorted(self._parts)]
            self.future.set_result(parts[0] if len(parts) == 1 else np.concatenate(parts))

    def fail(self, error: BaseException) -> None:
        """Give up: the rest of it may be computed, and is dropped."""
        with self._lock:
            if self.future.done():
                return
            self.future.set_exception(error)
