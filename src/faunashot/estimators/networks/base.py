"""The contract of networks that are trained from scratch on log-mel spectrograms."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from faunashot.runtimes.keras_network import Network

MOMENTUM = 0.9
"""Of running statistics: on a small corpus there are few steps to learn them in."""


class NetworkArchitecture(ABC):
    """Layers of a network, without weights; a subclass a module."""

    @abstractmethod
    def build(self, n_classes: int) -> Any:
        """Build the network.

        Parameters
        ----------
        n_classes : int
            Its outputs, C.

        Returns
        -------
        keras.Model
            Normalised spectrograms, shape (N, frames, 128), to logits, shape (N, C). A network
            that reads any number of frames has None for them in its input's shape; frames after
            the end of a recording are 0.
        """

    def with_weights(self, n_classes: int, *, seed: int) -> Network:
        """Build the network with weights drawn from `seed`; the same ones in any process."""
        with keras_draws(seed):
            model = self.build(n_classes)
        return Network(model, numbered(model.variables))


@contextmanager
def keras_draws(seed: int) -> Iterator[None]:
    """Make layers whose weights are drawn from `seed`, and what they draw in training."""
    before = random.getstate()
    random.seed(seed)  # from which Keras draws the seeds of layers that are given none
    try:
        yield
    finally:
        random.setstate(before)


def numbered(variables: Sequence[Any]) -> dict[str, Any]:
    """Keras variables by their number and name."""
    return {f"{at:03d}/{variable.name}": variable for at, variable in enumerate(variables)}
