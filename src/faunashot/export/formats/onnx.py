"""ONNX: ONNX Runtime, OpenVINO, browsers, and whatever else reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faunashot.export.chain import Chain
from faunashot.export.formats.base import (
    PROBABILITIES,
    WAVEFORM,
    FloatArray,
    Format,
    Runner,
)
from faunashot.runtimes.onnx_files import described, in_half_precision, in_integers, joined
from faunashot.runtimes.onnx_graph import OnnxGraph


class OnnxFormat(Format):
    """A ``.onnx`` file, its labels and facts in ``metadata_props``."""

    suffix = ".onnx"

    def content(
        self,
        chain: Chain,
        *,
        precision: str,
        rows: Sequence[FloatArray],
        facts: dict[str, Any],
    ) -> bytes:
        """As `Format.content`."""
        before, body, after = (part.onnx() for part in chain.parts)
        if precision == "float16":
            body = in_half_precision(body)
        elif precision == "int8":
            body = in_integers(body, rows)
        model = joined([before, body, after], source=WAVEFORM, result=PROBABILITIES)
        noted = {
            name: of if isinstance(of, str) else json.dumps(of, ensure_ascii=False)
            for name, of in facts.items()
        }
        return bytes(described(model, noted).SerializeToString())

    def runner(self, file: Path) -> Runner:
        """As `Format.runner`."""
        graph = OnnxGraph(file)

        def run(window: FloatArray) -> FloatArray:
            (found,) = graph(window[None], source=WAVEFORM, outputs=[PROBABILITIES])
            return np.asarray(found[0])

        return run
