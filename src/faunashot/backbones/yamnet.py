"""YAMNet from TF Hub, run in batches of windows."""

from __future__ import annotations

import csv
import hashlib
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from faunashot.audio.decode import quiet_native
from faunashot.backbones.base import FloatArray
from faunashot.backbones.hub import model_folder
from faunashot.backbones.yamnet_patches import log_mel
from faunashot.errors import WeightsError

HANDLE = "https://tfhub.dev/google/yamnet/1"
CHECK_TOLERANCE = 1e-4


class YamNet:
    """YAMNet: MobileNet v1 on log-mel patches, trained on AudioSet.

    The published model takes one waveform at a time. Here its own graph is cut at the patches and
    fed with the front end computed for a batch; on loading, both are compared on a fixed signal.

    Frames are as published: 25 ms STFT windows every 10 ms, 96 of them (0.96 s) to a patch, so a
    window spans 15,600 samples, 15 ms over 0.96 s. A clip is padded to a whole number of hops.

    Parameters
    ----------
    hop_s : step between windows in seconds, at most 0.96; published: 0.48.
    handle : TF Hub handle, or a folder that holds the SavedModel.
    threads : of TensorFlow.

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
    sample_rate = 16_000
    window_s = 0.96
    window_samples = 15_600
    batch_size = 64
    dim = 1024
    vocabulary = "audioset"
    licence = "Apache-2.0"
    citation = "M. Plakal, D. Ellis. YAMNet. TensorFlow Model Garden, 2020."
    source = HANDLE
    trained_on = (
        "AudioSet (YouTube), 521 classes, among them most animals that a target corpus may hold"
    )

    def __init__(self, hop_s: float = 0.48, handle: str = HANDLE, threads: int = 2) -> None:
        self.hop_s = hop_s
        tf, model, folder = _load(handle, threads)
        self.weights_hash = _hash(folder)
        try:
            self.classes = _class_names(Path(model.class_map_path().numpy().decode()))
            self._body, self._kernel, self._bias = _cut(tf, model)
        except (AttributeError, StopIteration, KeyError) as error:
            raise WeightsError(f"yamnet: {handle} is not YAMNet as published ({error})") from error
        self._run = _batched(tf, self._body)
        self._check(model)

    def embed(self, windows: FloatArray) -> FloatArray:
        """Embed 16 kHz windows, (N, 15600) -> (N, 1024), all at least 0."""
        return np.asarray(self._run(np.ascontiguousarray(windows, dtype=np.float32)))

    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Sigmoid scores of AudioSet's 521 classes, (N, 1024) -> (N, 521)."""
        logits = embeddings.astype(np.float32) @ self._kernel + self._bias
        return np.asarray(expit(logits), dtype=np.float32)

    def scores(self, windows: FloatArray) -> FloatArray:
        """Scores of its own classes, (N, 15600) -> (N, 521)."""
        return self.classify(self.embed(windows))

    def _check(self, model: Any) -> None:
        noise = np.random.default_rng(0).normal(0, 0.1, self.window_samples).astype(np.float32)
        scores, embedding, _ = model(noise)
        ours = self.embed(noise[None])
        worst = max(
            float(np.abs(ours - embedding.numpy()).max()),
            float(np.abs(self.classify(ours) - scores.numpy()).max()),
        )
        if worst > CHECK_TOLERANCE:
            raise WeightsError(f"yamnet: batched graph is {worst:.1e} off the published model")


def yamnet_variables(handle: str = HANDLE, *, threads: int = 2) -> dict[str, FloatArray]:
    """Variables of the published model by name, such as ``layer7/pointwise_conv/bn/beta``.

    Raises
    ------
    WeightsError
        The model is neither in the cache nor reachable, or is not YAMNet.
    """
    _, model, _ = _load(handle, threads)
    try:
        return {v.name.split(":")[0]: v.numpy() for v in model._yamnet.variables}
    except AttributeError as error:
        raise WeightsError(f"yamnet: {handle} is not YAMNet as published ({error})") from error


def _load(handle: str, threads: int) -> tuple[Any, Any, Path]:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    folder = model_folder(handle)
    with quiet_native(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf
        import tensorflow_hub as hub

        with suppress(RuntimeError):  # it runs already, with the threads it was given then
            tf.config.threading.set_intra_op_parallelism_threads(threads)
        try:
            model = hub.load(str(folder))
        except Exception as error:  # whatever hub and TensorFlow raise
            reason = " ".join(str(error).split())
            raise WeightsError(f"yamnet: {folder} cannot be loaded ({reason})") from error
    return tf, model, folder


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted((folder / "variables").iterdir()):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _class_names(table: Path) -> tuple[str, ...]:
    with table.open(newline="", encoding="utf-8") as rows:
        return tuple(row["display_name"] for row in csv.DictReader(rows))


def _cut(tf: Any, model: Any) -> tuple[Any, FloatArray, FloatArray]:
    """The published graph from its patches, (N, 96, 64, 1), to the embedding; and its classifier.

    The first convolution reads the patches. Freezing inlines the graph's functions; control edges
    to the waveform's placeholder are dropped, because nothing flows along them.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    waveform = tf.TensorSpec([None], tf.float32)
    frozen = convert_variables_to_constants_v2(
        tf.function(lambda x: model(x)).get_concrete_function(waveform)
    )
    operations = frozen.graph.get_operations()
    patches = next(op for op in operations if op.type == "Conv2D").inputs[0].name
    embedding = frozen.outputs[1].name
    graph = frozen.graph.as_graph_def()
    for node in graph.node:
        data = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(data)

    def body(x: Any) -> Any:
        return tf.compat.v1.import_graph_def(
            graph, input_map={patches: x}, return_elements=[embedding]
        )[0]

    wrapped = tf.compat.v1.wrap_function(body, [tf.TensorSpec([None, 96, 64, 1], tf.float32)])
    by_name = {v.name.split(":")[0]: v for v in model._yamnet.variables}
    return wrapped, by_name["logits/kernel"].numpy(), by_name["logits/bias"].numpy()


def _batched(tf: Any, body: Any) -> Any:
    @tf.function(input_signature=[tf.TensorSpec([None, YamNet.window_samples], tf.float32)])
    def run(windows: Any) -> Any:
        return body(log_mel(tf, windows)[..., None])

    return run
