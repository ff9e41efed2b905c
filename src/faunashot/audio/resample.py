"""Sample-rate conversion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr


def resample(
    samples: npt.NDArray[np.float32], rate_hz: int, *, to_hz: int
) -> npt.NDArray[np.float32]:
    """Resample mono audio of shape (n,) with soxr's HQ recipe; the same array at the same rate."""
    if rate_hz == to_hz:
        return samples
    return np.asarray(soxr.resample(samples, rate_hz, to_hz, quality="HQ"), dtype=np.float32)
