"""YAMNet from TF Hub: log-mel patches in numpy, its network through LiteRT."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from faunashot.backbones.base import Backbone, FloatArray
from faunashot.backbones.yamnet.published import HANDLE, Published
from faunashot.errors import WeightsError
from faunashot.frontends.mel_patches import SAMPLE_RATE, WINDOW_SAMPLES, patches
from faunashot.runtimes.converted import converted
from faunashot.runtimes.hub import model_folder
from faunashot.runtimes.litert import LiteRt, Network, on_gpu

CHECK_TOLERANCE = 1e-4
MODEL, REST = "model.tflite", "rest.npz"
CLASS_NAMES = "assets/yamnet_class_map.csv"


class YamNet(Backbone):
    """YAMNet: MobileNet v1 on log-mel patches, trained on AudioSet.

    The published model takes one waveform at a time. Its graph is cut at the patches and
    converted for LiteRT once, compared with the published model on a fixed signal, and kept under
    the weights' hash; each time it is loaded it has to give the same on that signal. Where there
    is a GPU, the cut graph runs in TensorFlow.

    Frames are as published: 25 ms STFT windows every 10 ms, 96 of them (0.96 s) to a patch, so a
    window spans 15,600 samples, 15 ms over 0.96 s. A clip is padded to a whole number of hops.

    Parameters
    ----------
    hop_s : step between windows in seconds, at most 0.96; published: 0.48.
    handle : TF Hub handle, or a folder that holds the SavedModel.

    Raises
    ------
    WeightsError
        The model is neither in the cache nor reachable, or is not YAMNet.

    References
    ----------
    M. Plakal, D. Ellis. YAMNet, 2020; A. Howard et al. MobileNets, 2017; J. F. Gemmeke et al.
    Audio Set: An ontology and human-labeled dataset for audio events, ICASSP 2017.
    """

    name = "yamnet"
    version = "1"
    sample_rate = SAMPLE_RATE
    window_s = 0.96
    window_samples = WINDOW_SAMPLES
    batch_size = 32
    dim = 1024
    vocabulary = "audioset"
    licence = "Apache-2.0"
    citation = "M. Plakal, D. Ellis. YAMNet. TensorFlow Model Garden, 2020."
    source = HANDLE
    trained_on = (
        "AudioSet (YouTube), 521 classes, among them most animals that a target corpus may hold"
    )

    def __init__(self, hop_s: float = 0.48, handle: str = HANDLE) -> None:
        self.hop_s = hop_s
        folder = model_folder(handle)
        try:
            self.weights_hash = _hash(folder)
            self.classes = _class_names(folder)
        except (OSError, KeyError) as error:
            raise WeightsError(f"yamnet: {handle} is not YAMNet as published ({error})") from error
        if on_gpu():
            published = Published(folder)
            self._take(_parts(published), network=published.network())
        else:
            converted(
                self.name,
                self.weights_hash,
                write=lambda kept: _convert(Published(folder), kept),
                read=self._read,
            )

    def front_end(self, samples: FloatArray) -> FloatArray:
        """Log-mel patches of 16 kHz samples, (n,) -> (N, 96, 64)."""
        return patches(samples, hop=self.hop_samples)

    def network(self, inputs: FloatArray) -> FloatArray:
        """Embed patches, (N, 96, 64) -> (N, 1024), all at least 0."""
        return self._run(inputs)

    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Sigmoid scores of AudioSet's 521 classes, (N, 1024) -> (N, 521)."""
        logits = embeddings.astype(np.float32) @ self._kernel + self._bias
        return np.asarray(expit(logits), dtype=np.float32)

    def _read(self, kept: Path) -> None:
        with np.load(kept / REST) as rest:
            self._take(dict(rest), network=LiteRt((kept / MODEL).read_bytes()))

    def _take(self, parts: dict[str, FloatArray], *, network: Network) -> None:
        """Take the parts, if with `network` they give what the published model does."""
        self._run, self._kernel, self._bias = network, parts["kernel"], parts["bias"]
        ours = self.embed(_fixed_signal()[None])
        worst = max(
            float(np.abs(ours - parts["embedding"]).max()),
            float(np.abs(self.classify(ours) - parts["scores"]).max()),
        )
        if not worst <= CHECK_TOLERANCE:
            raise WeightsError(f"yamnet: its network is {worst:.1e} off the published model")


def _fixed_signal() -> FloatArray:
    return np.random.default_rng(0).normal(0, 0.1, WINDOW_SAMPLES).astype(np.float32)


def _parts(published: Published) -> dict[str, FloatArray]:
    scores, embedding = published(_fixed_signal())
    return {
        "kernel": published.kernel,
        "bias": published.bias,
        "scores": scores,
        "embedding": embedding,
    }


def _convert(published: Published, folder: Path) -> None:
    (folder / MODEL).write_bytes(published.convert())
    np.savez(folder / REST, **_parts(published))  # type: ignore[arg-type]


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted((folder / "variables").iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _class_names(folder: Path) -> tuple[str, ...]:
    with (folder / CLASS_NAMES).open(newline="", encoding="utf-8") as rows:
        return tuple(row["display_name"] for row in csv.DictReader(rows))
