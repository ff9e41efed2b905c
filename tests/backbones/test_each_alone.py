"""A row of a network on the processor depends on no other, whatever the runtime does."""

from __future__ import annotations

import numpy as np

from faunashot.backbones._keras import each_alone


def test_a_runtime_that_mixes_the_rows_of_a_batch_gives_each_as_if_alone() -> None:
    rows = np.random.default_rng(0).normal(size=(8, 4, 3)).astype(np.float32)

    def mixing(inputs: np.ndarray) -> np.ndarray:
        return (inputs - inputs.mean()).sum(axis=1)

    alone = np.concatenate([mixing(row[None]) for row in rows])
    for size in (1, 2, 3, 5, 8):
        np.testing.assert_array_equal(each_alone(mixing, rows[:size]), alone[:size])
    assert (mixing(rows) != alone).any()
