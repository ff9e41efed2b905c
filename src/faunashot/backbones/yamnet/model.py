"""YAMNet from TF Hub: log-mel patches in numpy, its network through LiteRT."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import expit

from faunashot import options
from faunashot.backbones.base import Backbone, Card, ClassList, Cost, FloatArray
from faunashot.backbones.yamnet import integers
from faunashot.backbones.yamnet.published import HANDLE, Published
from faunashot.errors import WeightsError
from faunashot.files import sha256_of
from faunashot.frontends.mel_patches import WINDOW_SAMPLES, MelPatches, patches
from faunashot.runtimes.converted import converted
from faunashot.runtimes.graph import not_installed
from faunashot.runtimes.hub import cached, model_folder
from faunashot.runtimes.litert import LiteRt, Network, on_gpu
from faunashot.runtimes.once import Once
from faunashot.runtimes.onnx_graph import OnnxGraph

CHECK_TOLERANCE = 1e-4
LEAST_COSINE = 0.95
"""Of an embedding by integers with the published one, on the fixed signal."""

MODEL, INTEGER_MODEL, REST = "model.tflite", "model.onnx", "rest.npz"
CLASS_NAMES = "assets/yamnet_class_map.csv"

Runtime = Literal["litert", "onnx-int8"]
"""What runs the network: in float32, or faster, its lower layers in integers of 8 bits."""

INTEGERS = "onnx-int8"
NEEDS = ("onnx", "onnxruntime")
"""Packages of the extra ``onnx`` that write and run the network in integers."""


class _Parts(NamedTuple):
    """What is loaded: the network up to its embedding, and the classifier on it."""

    network: Network
    kernel: FloatArray
    bias: FloatArray


class YamNet(Backbone):
    """YAMNet: MobileNet v1 on log-mel patches, trained on AudioSet.

    The published model takes one waveform at a time. Its graph is cut at the patches and
    converted for LiteRT once, compared with the published model on a fixed signal, and kept under
    the weights' hash; each time it is loaded it has to give the same on that signal. Where there
    is a GPU, the cut graph runs in TensorFlow.

    Parameters
    ----------
    hop_s : float
        Step between windows in seconds, at most 0.96; published: 0.48.
    handle : str
        TF Hub handle, or a folder that holds the SavedModel.
    runtime : str
        ``litert``, or ``onnx-int8``: ONNX Runtime, the convolutions up to layer 11's depthwise one
        in integers of 8 bits. Embeddings differ a little (docs/PERFORMANCE.md), so that they are
        features of their own. What `build` gives is in float32 with either.

    Raises
    ------
    WeightsError
        The model is neither in the cache nor reachable, or is not YAMNet; or ONNX Runtime is not
        installed.

    References
    ----------
    M. Plakal, D. Ellis. YAMNet, 2020; A. Howard et al. MobileNets, 2017; J. F. Gemmeke et al.
    Audio Set: An ontology and human-labeled dataset for audio events, ICASSP 2017.
    """

    class Options(options.Options):
        """Step between windows, where the model is, and what runs it."""

        hop_s: Annotated[float, Field(ge=0.001, le=0.96)] = 0.48
        handle: str = HANDLE
        runtime: Runtime = "litert"

    card = Card(
        name="yamnet",
        version="1",
        licence="Apache-2.0",
        citation="M. Plakal, D. Ellis. YAMNet. TensorFlow Model Garden, 2020.",
        source=HANDLE,
        trained_on=(
            "AudioSet (YouTube), 521 classes, among them most animals that a target corpus may hold"
        ),
        packages=("ai-edge-litert", "tensorflow", "tensorflow-hub", "setuptools"),
    )
    runtime = "LiteRT"
    cost = Cost(3_217_344, 68_631_552)
    layers = {"embedding": 1024}  # noqa: RUF012
    batch_size = 32
    front_end_class = MelPatches

    @classmethod
    def weights_here(cls) -> Path | None:
        """As `Backbone.weights_here`, of the published handle."""
        return cached(HANDLE)

    def __init__(
        self, *, hop_s: float = 0.48, handle: str = HANDLE, runtime: Runtime = "litert"
    ) -> None:
        if runtime == INTEGERS and not all(map(importlib.util.find_spec, NEEDS)):
            raise not_installed(f"what runs yamnet with runtime {INTEGERS}", "onnx")
        self.front_end = MelPatches(hop_s=hop_s)
        self._handle = handle
        folder = model_folder(handle)
        try:
            self.weights_hash = _hash(folder)
            names = _class_names(folder)
        except (OSError, KeyError) as error:
            raise WeightsError(f"yamnet: {handle} is not YAMNet as published ({error})") from error
        self.class_list = ClassList("audioset", names, several="geometric")
        if runtime == INTEGERS:
            self.other_runtime, self.other_packages = INTEGERS, NEEDS
            self.weights_hash = _hash_of([self.weights_hash, integers.recipe_hash()])
            self._parts = Once(lambda: _load_integers(folder, self.weights_hash))
        else:
            self._parts = Once(lambda: _load(folder, self.weights_hash))

    def embed(self, inputs: FloatArray, *, layer: str = "embedding") -> FloatArray:
        """Embed patches, (N, 96, 64) -> (N, 1024), all at least 0."""
        return self._parts().network(inputs)

    def logits(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Logits of AudioSet's 521 classes, (N, 1024) -> (N, 521)."""
        return _logits(self._parts(), embeddings)

    def build(self, n_targets: int, *, seed: int) -> Any:
        """The network with its published weights and a classifier of `n_targets`, to be trained.

        Takes what the front end gives, (N, 96, 64). Returns a `network.LayeredNetwork`.
        """
        from faunashot.backbones.yamnet.network import build

        return build(n_targets, seed=seed, handle=self._handle)


def _load(folder: Path, weights_hash: str) -> _Parts:
    if on_gpu():
        published = Published(folder)
        return _checked(_facts(published), network=published.network())
    return converted(
        "yamnet",
        weights_hash,
        write=lambda kept: _convert(Published(folder), kept),
        read=_read,
    )


def _read(kept: Path) -> _Parts:
    with np.load(kept / REST) as rest:
        return _checked(dict(rest), network=LiteRt((kept / MODEL).read_bytes()))


def _load_integers(folder: Path, weights_hash: str) -> _Parts:
    return converted(
        "yamnet",
        weights_hash,
        write=lambda kept: _convert_to_integers(Published(folder), kept),
        read=_read_integers,
        runtime="ONNX Runtime",
    )


def _read_integers(kept: Path) -> _Parts:
    """The parts, if the file is as it was written, and gives nearly what is published."""
    with np.load(kept / REST) as rest:
        facts = dict(rest)
    if sha256_of(kept / INTEGER_MODEL) != facts["sha256"].item():
        raise WeightsError(f"yamnet: {INTEGER_MODEL} is not as it was written")
    graph = OnnxGraph(kept / INTEGER_MODEL)

    def network(inputs: FloatArray) -> FloatArray:
        (found,) = graph(inputs, source=integers.INPUT, outputs=[integers.OUTPUT])
        return found

    (ours,), (theirs,) = network(_fixed_patches()), facts["embedding"]
    cosine = float(ours @ theirs / (np.linalg.norm(ours) * np.linalg.norm(theirs)))
    if not cosine >= LEAST_COSINE:
        raise WeightsError(
            f"yamnet: in integers its embedding has a cosine of {cosine:.2f} with the published "
            "model's; use runtime: litert"
        )
    return _Parts(network, facts["kernel"], facts["bias"])


def _checked(facts: dict[str, FloatArray], *, network: Network) -> _Parts:
    """The parts, if they give what the published model does."""
    parts = _Parts(network, facts["kernel"], facts["bias"])
    ours = network(_fixed_patches())
    scores = expit(_logits(parts, ours))
    worst = max(
        float(np.abs(ours - facts["embedding"]).max()),
        float(np.abs(scores - facts["scores"]).max()),
    )
    if not worst <= CHECK_TOLERANCE:
        raise WeightsError(f"yamnet: its network is {worst:.1e} off the published model")
    return parts


def _logits(parts: _Parts, embeddings: npt.NDArray[Any]) -> FloatArray:
    return np.asarray(embeddings.astype(np.float32) @ parts.kernel + parts.bias)


def _fixed_signal() -> FloatArray:
    return np.random.default_rng(0).normal(0, 0.1, WINDOW_SAMPLES).astype(np.float32)


def _fixed_patches() -> FloatArray:
    return patches(_fixed_signal(), hop=WINDOW_SAMPLES)


def _facts(published: Published) -> dict[str, FloatArray]:
    scores, embedding = published(_fixed_signal())
    return {
        "kernel": published.kernel,
        "bias": published.bias,
        "scores": scores,
        "embedding": embedding,
    }


def _convert(published: Published, folder: Path) -> None:
    (folder / MODEL).write_bytes(published.convert())
    np.savez(folder / REST, **_facts(published))  # type: ignore[arg-type]


def _convert_to_integers(published: Published, folder: Path) -> None:
    file = folder / INTEGER_MODEL
    model = integers.integer_network(integers.convolutions(published.variables))
    file.write_bytes(model.SerializeToString(deterministic=True))
    facts = _facts(published) | {"sha256": np.array(sha256_of(file))}
    np.savez(folder / REST, **facts)  # type: ignore[arg-type]


def _hash_of(parts: Sequence[str]) -> str:
    return hashlib.sha256("-".join(parts).encode()).hexdigest()


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted((folder / "variables").iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _class_names(folder: Path) -> tuple[str, ...]:
    with (folder / CLASS_NAMES).open(newline="", encoding="utf-8") as rows:
        return tuple(row["display_name"] for row in csv.DictReader(rows))
