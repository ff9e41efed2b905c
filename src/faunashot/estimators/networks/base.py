"""The contract of networks that are trained from scratch on log-mel spectrograms."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
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
        before = random.getstate()
        random.seed(seed)  # from which Keras draws the seeds of layers that are given none
        try:
            model = self.build(n_classes)
        finally:
            random.setstate(before)
        names = (f"{at:03d}/{variable.name}" for at, variable in enumerate(model.variables))
        return Network(model, dict(zip(names, model.variables, strict=True)))
