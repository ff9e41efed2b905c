"""A recording to windows of one length: the tail is padded, never dropped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError


def count_windows(n_samples: int, window: int, *, hop: int) -> int:
    """Windows that cover `n_samples`: one, and one more for each started hop beyond it."""
    return 1 + -(-max(0, n_samples - window) // hop)


def split_windows(
    samples: npt.NDArray[np.float32], window: int, *, hop: int
) -> npt.NDArray[np.float32]:
    """Cut mono audio of shape (n,) into windows, (N, window), zeros after its end.

    Window i starts at sample ``i * hop``; every sample lies in at least one window where
    ``hop <= window``.

    Raises
    ------
    ParameterError
        `window` or `hop` is not positive, or `hop` is longer than `window` and would drop audio.
    """
    if not 0 < hop <= window:
        raise ParameterError(f"hop of {hop} samples must be in 1..{window}, the window's length")
    n = count_windows(len(samples), window, hop=hop)
    padded = np.zeros(window + (n - 1) * hop, dtype=np.float32)
    padded[: len(samples)] = samples
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
