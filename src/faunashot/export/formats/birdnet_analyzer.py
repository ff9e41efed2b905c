"""The custom classifiers of BirdNET-Analyzer.

It loads a ``.tflite`` file that takes 3 s of audio at 48 kHz, shape (n, 144000), by its first
input, whose batch it resizes, and reads the first output, of which it takes the sigmoid. Labels
stand a line each in ``NAME_Labels.txt`` beside ``NAME.tflite``, as ``Scientific name_Common name``:
birdnetlib reads no others. A class of one name, without ``_``, has it in both places.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.special import expit

from faunashot.errors import ParameterError
from faunashot.export.chain import Chain
from faunashot.export.formats.base import FloatArray, Runner
from faunashot.export.formats.litert import LiteRtFormat

RATE_HZ, SAMPLES = 48_000, 144_000
LABELS = "_Labels.txt"


class BirdNetAnalyzerFormat(LiteRtFormat):
    """A ``.tflite`` file of logits, and a file of labels beside it."""

    ends_in_logits = True
    windows = None

    def refuse(self, chain: Chain, precision: str) -> None:
        """As `Format.refuse`."""
        read = chain.front_end
        if (read.sample_rate, read.window_samples) != (RATE_HZ, SAMPLES):
            raise ParameterError(
                f"BirdNET-Analyzer gives a classifier {SAMPLES} samples at {RATE_HZ} Hz, this "
                f"system reads {read.window_samples} at {read.sample_rate} Hz: use --format litert"
            )

    def beside(self, file: Path, classes: Sequence[str]) -> dict[Path, str]:
        """As `Format.beside`: the labels."""
        labels = (name if "_" in name else f"{name}_{name}" for name in classes)
        return {file.with_name(file.stem + LABELS): "".join(f"{label}\n" for label in labels)}

    def runner(self, file: Path) -> Runner:
        """As `Format.runner`."""
        logits = super().runner(file)

        def run(window: FloatArray) -> FloatArray:
            return np.asarray(expit(logits(window)))

        return run
