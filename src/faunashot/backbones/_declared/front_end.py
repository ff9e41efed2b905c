"""Windows of samples as a declared network takes them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from faunashot.audio.windows import split_windows
from faunashot.backbones._declared.declaration import Declaration
from faunashot.frontends.base import FloatArray, FrontEnd

INT16 = 32_768.0
"""What full scale is in 16 bits."""


class Samples(FrontEnd):
    """Windows of samples, each normalised by itself.

    Attributes
    ----------
    normalisation : str
        ``none``, ``peak`` or ``int16``, see `Declaration`.
    peak : float
    remove_mean : bool
    padding : str
        ``zeros`` or ``repeat``, see `Declaration`.
    """

    name = "samples"
    citation = "none: samples as they are"
    packages = ()
    normalisation: ClassVar[str] = "none"
    peak: ClassVar[float] = 1.0
    remove_mean: ClassVar[bool] = False
    padding: ClassVar[str] = "zeros"

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Normalised windows, (n,) -> (N, window_samples)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        if self.padding == "repeat":
            windows = _repeated(windows, len(samples) - (len(windows) - 1) * self.hop_samples)
        if self.remove_mean:
            windows = windows - windows.mean(axis=1, keepdims=True)
        if self.normalisation == "peak":
            peaks = np.abs(windows).max(axis=1, keepdims=True)
            factors = np.divide(self.peak, peaks, out=np.zeros_like(peaks), where=peaks > 0)
            windows = windows * factors
        if self.normalisation == "int16":
            windows = windows * np.float32(INT16)
        return np.ascontiguousarray(windows, dtype=np.float32)

    def _settings(self) -> tuple[object, ...]:
        of_window = (self.sample_rate, self.window_samples)
        return (*of_window, self.normalisation, self.peak, self.remove_mean, self.padding)


def _repeated(windows: FloatArray, n: int) -> FloatArray:
    """The windows, the first `n` samples of the last laid end to end as often as they fit."""
    times = windows.shape[1] // max(n, 1)
    if times < 2:
        return windows
    windows = windows.copy()
    windows[-1, : times * n] = np.tile(windows[-1, :n], times)
    return windows


def front_end_of(declaration: Declaration) -> type[Samples]:
    """The front end that a declaration asks for."""
    facts = {
        "sample_rate": declaration.sample_rate,
        "window_s": declaration.window_s,
        "window_samples": declaration.window_samples,
        "shape": (declaration.window_samples,),
        "normalisation": declaration.normalisation,
        "peak": declaration.peak,
        "remove_mean": declaration.remove_mean,
        "padding": declaration.padding,
        "__doc__": Samples.__doc__,
        "__module__": __name__,
    }
    return type("DeclaredSamples", (Samples,), facts)
