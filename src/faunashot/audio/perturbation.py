"""What may be done to a whole recording before it is resampled and cut."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


class Perturbation(Protocol):
    """Changes mono audio of shape (n,); the same samples always give the same.

    It reads the whole of a recording, may be called from several threads at once, and is sent to
    the workers of a cluster.
    """

    def __call__(self, samples: Samples, rate_hz: int) -> tuple[Samples, int]:
        """Treated samples and their rate; raises `AudioError` where that cannot be."""
        ...

    def facts(self) -> dict[str, Any]:
        """All that its result depends on, for JSON; two kinds share no key of it."""
        ...
