"""What every runtime gives: a network as its publisher made it, with inputs and outputs by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from faunashot.errors import WeightsError

FloatArray = npt.NDArray[np.float32]

REASON = 300
"""Characters of another library's message that are shown."""


@dataclass(frozen=True)
class Port:
    """An input or output of a network.

    Attributes
    ----------
    name : str
    shape : tuple of (int or None), optional
        None for an axis of any length; None as a whole where the runtime does not know it.
    """

    name: str
    shape: tuple[int | None, ...] | None = None

    def __str__(self) -> str:
        if self.shape is None:
            return self.name
        lengths = ", ".join("any" if n is None else str(n) for n in self.shape)
        return f"{self.name} ({lengths})"


class Graph(ABC):
    """A network that is run as it is.

    Attributes
    ----------
    inputs, outputs : sequence of Port
        Names that an output may be asked by; there may be more than `outputs` lists where
        `any_output`.
    any_output : bool
        Whether what it has is known only once it is run.
    sample_rate : int, optional
        That it was made for, where it says so.
    """

    inputs: Sequence[Port]
    outputs: Sequence[Port]
    any_output: bool = False
    sample_rate: int | None = None

    @abstractmethod
    def __call__(
        self, inputs: FloatArray, *, source: str, outputs: Sequence[str]
    ) -> list[FloatArray]:
        """Outputs by name for the input `source`, in one run; may be called from several threads.

        Raises
        ------
        WeightsError
            The network cannot be run on it.
        """


def refused(model: Path, doing: str, error: Exception) -> WeightsError:
    """The one-line error of a model that its runtime cannot load or run."""
    lines = " ".join(str(error).split()) or type(error).__name__
    return WeightsError(f"{model.name} cannot be {doing}: {lines[:REASON]}")


def not_installed(what: str, extra: str) -> WeightsError:
    """The error where a runtime is not installed."""
    return WeightsError(f"{what} is not installed: pip install 'faunashot[{extra}]'")
