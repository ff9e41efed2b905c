"""Audio that is repeated without a click."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

CROSSFADE_S = 0.02

Float = TypeVar("Float", bound=np.floating[Any])


def loop(samples: npt.NDArray[Float], rate_hz: int) -> npt.NDArray[Float]:
    """Mono audio of shape (n,), its end faded into its start: shorter by at most `CROSSFADE_S`."""
    fade = min(round(CROSSFADE_S * rate_hz), len(samples) // 2)
    if fade == 0:
        return samples
    rising = np.sqrt((np.arange(fade) + 0.5) / fade)
    looped = samples[: len(samples) - fade].copy()
    looped[:fade] = rising * looped[:fade] + rising[::-1] * samples[-fade:]
    return looped
