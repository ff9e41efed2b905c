"""The samples themselves, in 16 bits; what networks read that have their front end within."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from faunashot import options
from faunashot.audio.waveforms import Int16Array, as_int16
from faunashot.audio.windows import split_windows
from faunashot.errors import ParameterError
from faunashot.frontends.base import FloatArray, FrontEnd

RATE_HZ, WINDOW_S = 32_000, 10.0


class Waveform(FrontEnd):
    """Waveforms of one rate and length as 16-bit integers, of full scale 32768.

    A clip shorter than a window is padded with zeros; a longer one has several windows.

    References
    ----------
    Q. Kong, Y. Cao, T. Iqbal, Y. Wang, W. Wang, M. D. Plumbley. PANNs: Large-scale pretrained
    audio neural networks for audio pattern recognition. IEEE/ACM TASLP 28, 2020 (32 kHz, 10 s).
    """

    class Options(options.Options):
        """Sample rate in Hz, length of a window and step between windows in seconds.

        Windows follow each other without overlap unless `hop_s` is set.
        """

        rate_hz: Annotated[int, Field(ge=1_000, le=500_000)] = RATE_HZ
        window_s: Annotated[float, Field(ge=0.01, le=60)] = WINDOW_S
        hop_s: Annotated[float, Field(ge=0.001)] | None = None

        @model_validator(mode="after")
        def _leaves_no_gap(self) -> Waveform.Options:
            if self.hop_s is not None and self.hop_s > self.window_s:
                raise ParameterError(
                    f"frontends.waveform.hop_s: {self.hop_s:g} s is longer than a window of "
                    f"{self.window_s:g} s, and would leave out what lies between"
                )
            return self

    name = "waveform"
    sample_rate = RATE_HZ
    window_s = WINDOW_S
    window_samples = round(RATE_HZ * WINDOW_S)
    shape = (window_samples,)
    dtype = "int16"
    citation = (
        "Q. Kong et al. PANNs: Large-scale pretrained audio neural networks for audio pattern "
        "recognition. IEEE/ACM TASLP 28, 2020."
    )
    packages = ("h5py",)

    def __init__(
        self, *, rate_hz: int = RATE_HZ, window_s: float = WINDOW_S, hop_s: float | None = None
    ) -> None:
        super().__init__(hop_s=window_s if hop_s is None else hop_s)
        self.sample_rate, self.window_s = rate_hz, window_s  # type: ignore[misc]
        self.window_samples = round(rate_hz * window_s)  # type: ignore[misc]
        self.shape = (self.window_samples,)  # type: ignore[misc]

    def __call__(self, samples: FloatArray) -> Int16Array:  # type: ignore[override]
        """Samples, (n,) -> (N, window_samples), int16."""
        return as_int16(split_windows(samples, self.window_samples, hop=self.hop_samples))

    def _settings(self) -> tuple[object, ...]:
        return self.sample_rate, self.window_samples, str(np.dtype(self.dtype))
