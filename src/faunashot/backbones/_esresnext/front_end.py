"""Windows of samples as ESResNeXt-fbsp reads them."""

from __future__ import annotations

import numpy as np

from faunashot.audio.windows import split_windows
from faunashot.frontends.base import FloatArray, FrontEnd

RATE_HZ = 44_100
WINDOW_S = 5.0
WINDOW_SAMPLES = 220_500
INT16 = np.float32(32_768)
"""Of samples in 16 bits, which the network was trained on, in those of [-1, 1]."""
INT16_SPAN = np.float32(65_535)


class FbspSamples(FrontEnd):
    """Samples on the scale of ESResNeXt-fbsp, whose trained wavelets are part of its network.

    Sixteen bits from -32768 to 32767 are spread over [-1, 1], so that silence is 1.5e-5.

    Parameters
    ----------
    hop_s : float
        Step between windows in seconds.
    window_s : float
        Length of a window; the authors' is 5 s, and the network reads others, too.

    References
    ----------
    A. Guzhov et al. ESResNe(X)t-fbsp: Learning robust time-frequency transformation of audio.
    IJCNN 2021.
    """

    name = "fbsp_samples"
    sample_rate = RATE_HZ
    window_s = WINDOW_S
    window_samples = WINDOW_SAMPLES
    shape = (WINDOW_SAMPLES,)
    citation = "A. Guzhov et al. ESResNe(X)t-fbsp. IJCNN 2021."
    packages = ()

    def __init__(self, *, hop_s: float, window_s: float = WINDOW_S) -> None:
        super().__init__(hop_s=hop_s)
        self.window_s = window_s  # type: ignore[misc]
        self.window_samples = round(window_s * RATE_HZ)  # type: ignore[misc]
        self.shape = (self.window_samples,)  # type: ignore[misc]

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Windows of mono samples, (n,) -> (N, window_samples)."""
        windows = split_windows(samples, self.window_samples, hop=self.hop_samples)
        return np.asarray((windows * INT16 + INT16) * np.float32(2) / INT16_SPAN - np.float32(1))
