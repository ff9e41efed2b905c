"""What a front end is: fixed signal processing between samples and a network."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from faunashot import options
from faunashot.registry import Registry

FloatArray = npt.NDArray[np.float32]

FRONT_ENDS: Registry[FrontEnd] = Registry(
    "front end", "faunashot.frontends", contract="faunashot.frontends.base:FrontEnd"
)
"""Front ends by name: one module each."""


class FrontEnd(ABC):
    """Contract of a front end; it holds no weights, and may be called from several threads.

    Attributes
    ----------
    name : str
        Key in the registry.
    version : str
        Changes when what it computes changes.
    sample_rate : int
        In Hz, of the samples that it takes.
    window_s : float
        Length of a window in seconds.
    window_samples : int
        Samples of a window; may exceed ``window_s * sample_rate`` by the overhang of a last frame.
    shape : tuple of int
        Of what it gives of one window.
    dtype : str
        Type of that: float32, or int16 of samples as they are.
    marked : bool
        Whether the last column of that is no band, but 1 in frames of the recording and 0 after it.
    licence, citation : str
        For cards and reports.
    packages : tuple of str
        Python packages that it needs when it is served.
    """

    class Options(options.Options):
        """Step between windows in seconds."""

        hop_s: Annotated[float, Field(ge=0.001)]

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    sample_rate: ClassVar[int]
    window_s: ClassVar[float]
    window_samples: ClassVar[int]
    shape: ClassVar[tuple[int, ...]]
    dtype: ClassVar[str] = "float32"
    marked: ClassVar[bool] = False
    licence: ClassVar[str] = "MIT"
    citation: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ("librosa",)

    def __init__(self, *, hop_s: float) -> None:
        self.hop_s = hop_s

    @property
    def hop_samples(self) -> int:
        """Step of the windows in samples."""
        return round(self.hop_s * self.sample_rate)

    @property
    def settings_hash(self) -> str:
        """SHA-256 of the settings that its result depends on beside name, version and hop."""
        return hashlib.sha256(repr(self._settings()).encode()).hexdigest()

    @abstractmethod
    def __call__(self, samples: FloatArray) -> FloatArray:
        """What a network reads of mono samples in [-1, 1], (n,) -> (N, ...), a row a window.

        Windows lie as `faunashot.audio.windows.split_windows` cuts them. A row of the result
        depends on the samples of its window alone, to the last bit.
        """

    def _settings(self) -> tuple[object, ...]:
        """Constants of the signal processing."""
        return ()
