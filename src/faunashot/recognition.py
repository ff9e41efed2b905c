"""What was heard in a recording: its label, and the scores of its windows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

UNKNOWN = "unknown"
"""Label of a recording that is like none of those that were learned from."""

SURE = 0.5
"""Probability from which on a recording is said to be of a class, where it may be of several."""


@dataclass(frozen=True)
class WindowScores:
    """What is heard in windows of a recording, in their order.

    Attributes
    ----------
    start_s, end_s : ndarray, shape (N,)
        What they cover of it.
    scores : ndarray, shape (N, C)
        Tempered scores of the classes.
    unknown_score : ndarray, shape (N,), optional
        How unlike each is to what was learned from; None where the model cannot say.
    """

    start_s: FloatArray
    end_s: FloatArray
    scores: FloatArray
    unknown_score: FloatArray | None = None


@dataclass(frozen=True)
class Recognition:
    """What was found in a recording.

    Attributes
    ----------
    label : str
        The most probable class, or "unknown". Where a recording may be of several classes, those
        of a probability of `SURE` or more, joined by ``;``: none of them gives the empty label.
    probabilities : dict
        Of each class, over the whole recording. They sum to 1 and say which class it is if it is
        one of them, also where it is unknown; where a recording may be of several classes, each
        is by itself.
    windows : list of tuple
        Start and end in seconds, and the scores of each class.
    unknown_score : float, optional
        How unlike it is to what was learned from; None where the model cannot say.
    notes : tuple of str
        What of the recording cannot be heard, or is not there.
    embedding : ndarray of float32, shape (dim,), optional
        Mean feature of its windows by the seconds that they cover, where it was asked for.
    """

    label: str
    probabilities: dict[str, float]
    windows: list[tuple[float, float, dict[str, float]]]
    unknown_score: float | None = None
    notes: tuple[str, ...] = ()
    embedding: npt.NDArray[np.float32] | None = field(default=None, repr=False, compare=False)
