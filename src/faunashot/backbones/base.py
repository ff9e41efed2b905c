"""What a backbone is: a pretrained network that turns windows of audio into embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Backbone(Protocol):
    """Contract of a backbone; one instance holds loaded weights.

    Attributes
    ----------
    name : key in the registry.
    version : of the published model.
    weights_hash : SHA-256 of the weights that were loaded; features carry it.
    sample_rate : in Hz, of the windows that `embed` takes.
    window_s, hop_s : in seconds, length and step of its windows.
    window_samples : samples of one window; may exceed ``window_s * sample_rate`` by the
        overhang of the front end's last frame.
    batch_size : windows to embed at once, where it is fastest within bounded memory.
    dim : length of an embedding.
    classes : names of its own outputs where it has a classifier, else None.
    vocabulary : which table of class maps its names belong to ("audioset", "birdnet"), else None.
    licence, citation, source, trained_on : where it comes from, for cards and reports.
    """

    name: str
    version: str
    weights_hash: str
    sample_rate: int
    window_s: float
    hop_s: float
    window_samples: int
    batch_size: int
    dim: int
    classes: Sequence[str] | None
    vocabulary: str | None
    licence: str
    citation: str
    source: str
    trained_on: str

    def embed(self, windows: FloatArray) -> FloatArray:
        """Embed windows, shape (N, window_samples), in [-1, 1] -> (N, dim).

        A row of the result does not depend on the other rows.
        """
        ...

    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Scores in [0, 1] of its own classes from embeddings, (N, dim) -> (N, len(classes)).

        Only where `classes` is not None.
        """
        ...

    def scores(self, windows: FloatArray) -> FloatArray:
        """Scores of its own classes for windows: `classify` of `embed`."""
        ...
