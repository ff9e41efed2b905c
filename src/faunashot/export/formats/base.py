"""What a format of files is that a trained system can be exported to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError
from faunashot.export.chain import Chain
from faunashot.registry import Registry

FloatArray = npt.NDArray[np.float32]

Runner = Callable[[FloatArray], FloatArray]
"""From a window's samples, shape (window_samples,), to probabilities, shape (C,)."""

PRECISIONS = ("float32", "float16", "int8")
WAVEFORM, PROBABILITIES = "waveform", "probabilities"
"""Names of the input and the output of a file."""

MODEL_FORMATS: Registry[Format] = Registry(
    "format", "faunashot.export.formats", contract="faunashot.export.formats.base:Format"
)
"""Formats by name: one module each."""


class Format(ABC):
    """Contract of a format.

    Attributes
    ----------
    suffix : str
        That its files end in.
    ends_in_logits : bool
        Whether a file gives logits of probabilities in their place.
    """

    suffix: ClassVar[str]
    ends_in_logits: ClassVar[bool] = False

    @abstractmethod
    def content(
        self,
        chain: Chain,
        *,
        precision: str,
        rows: Sequence[FloatArray],
        facts: dict[str, Any],
    ) -> bytes:
        """The file of a system.

        Parameters
        ----------
        chain : Chain
        precision : str
            One of `PRECISIONS`, of the network; the front end and what makes probabilities have
            float32 in any.
        rows : sequence of ndarray, shape (1, ...)
            What the network reads of windows to find the ranges of integers with.
        facts : dict
            What is written into it, JSON-ready.

        Raises
        ------
        ParameterError
            The format does not hold such a system.
        WeightsError
            What writes it is not installed.
        """

    @abstractmethod
    def runner(self, file: Path) -> Runner:
        """Loads a file as a device would, on one thread.

        Raises
        ------
        WeightsError
            The runtime is not installed, or does not read the file.
        """

    def beside(self, file: Path, classes: Sequence[str]) -> dict[Path, str]:
        """Further files that readers of the format look for, and their text."""
        return {}

    def refuse(self, chain: Chain, precision: str) -> None:  # noqa: B027 (most refuse nothing)
        """Raise `ParameterError` where the format does not hold such a system."""


def checked_suffix(kind: type[Format], file: Path) -> None:
    """Raise `ParameterError` where a file's name does not end as its format wants."""
    if file.suffix.lower() != kind.suffix:
        raise ParameterError(f"--out {file}: name a file that ends in {kind.suffix}")
