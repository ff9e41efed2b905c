"""What a backbone is: a pretrained network that turns windows of audio into embeddings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.audio.windows import split_windows

FloatArray = npt.NDArray[np.float32]


class Backbone(ABC):
    """Contract of a backbone; one instance holds loaded weights.

    A recording goes through `front_end`, fixed signal processing, and then through `network`.
    Both may be called from several threads at once.

    Attributes
    ----------
    name : key in the registry.
    layer : of the network; empty for its own default.
    version : of the published model.
    weights_hash : SHA-256 of the weights that were loaded; features carry it.
    sample_rate : in Hz, of what the front end takes.
    window_s, hop_s : in seconds, length and step of its windows.
    window_samples : samples of one window; may exceed ``window_s * sample_rate`` by the
        overhang of the front end's last frame.
    batch_size : windows for the network at once, where it is fastest within bounded memory.
    dim : length of an embedding.
    classes : names of its own outputs where it has a classifier, else None.
    vocabulary : which table of class maps its names belong to ("audioset", "birdnet"), else None.
    licence, citation, source, trained_on : where it comes from, for cards and reports.
    """

    name: str
    layer: str = ""
    version: str
    weights_hash: str
    sample_rate: int
    window_s: float
    hop_s: float
    window_samples: int
    batch_size: int
    dim: int
    classes: Sequence[str] | None = None
    vocabulary: str | None = None
    licence: str
    citation: str
    source: str
    trained_on: str

    @property
    def hop_samples(self) -> int:
        """Step of the windows in samples."""
        return round(self.hop_s * self.sample_rate)

    def front_end(self, samples: FloatArray) -> FloatArray:
        """What the network reads of mono samples in [-1, 1], (n,) -> (N, ...), a row a window.

        Windows lie as `faunashot.audio.windows.split_windows` cuts them. Here they are read as
        they are.
        """
        return split_windows(samples, self.window_samples, hop=self.hop_samples)

    @abstractmethod
    def network(self, inputs: FloatArray) -> FloatArray:
        """Embed what the front end gave, (N, ...) -> (N, dim).

        A row of the result depends on no other row, to the last bit.
        """

    def embed(self, windows: FloatArray) -> FloatArray:
        """Embed windows each by itself, (N, window_samples) -> (N, dim)."""
        return self.network(np.concatenate([self.front_end(window) for window in windows]))

    @abstractmethod
    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Scores in [0, 1] of its own classes from embeddings, (N, dim) -> (N, len(classes)).

        Only where `classes` is not None; raises `ParameterError` elsewhere.
        """

    def scores(self, windows: FloatArray) -> FloatArray:
        """Scores of its own classes for windows: `classify` of `embed`."""
        return self.classify(self.embed(windows))
