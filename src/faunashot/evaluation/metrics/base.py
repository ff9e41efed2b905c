"""What a metric declares of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips

FloatArray = npt.NDArray[np.float64]


class Metric(ABC):
    """A figure of scored clips; its name is that of its module or entry point.

    Attributes
    ----------
    title : str
        What people call it, such as ``macro-F1``.
    of : {"labels", "scores"}
        Whether it is computed from predicted labels, or needs probabilities. Those of labels are
        also taken of windows, under every condition, and compared between runs.
    single_label, multi_label : bool
        Whether it applies where a clip carries one label, and where it may carry several.
    range : (float, float)
        What it lies in; intervals are cut to it.
    order : int
        Place among the others where they are shown, ascending; equal ones are sorted by name.
    citation : str
        Where it is defined.
    biased_upwards : bool
        Whether a small sample makes it too large, and a resample of it once more. Then the
        bootstrap's interval is the basic one, mirrored at the value.
    pooled_over_episodes : bool
        Whether episodes are scored together, with the jackknife's interval; else the figure is
        the mean over episodes, with Student's.
    """

    title: ClassVar[str]
    of: ClassVar[Literal["labels", "scores"]]
    single_label: ClassVar[bool] = True
    multi_label: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    order: ClassVar[int] = 100
    citation: ClassVar[str] = ""
    biased_upwards: ClassVar[bool] = False
    pooled_over_episodes: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        """Refuse one that leaves out what it must declare, so that its import names it."""
        super().__init_subclass__()
        for name in ("title", "of"):
            if not hasattr(cls, name):
                raise TypeError(f"{cls.__name__} declares no {name}")

    @abstractmethod
    def values(self, clips: WeightedClips) -> FloatArray:
        """The figure under each weighting of the clips.

        Parameters
        ----------
        clips : WeightedClips
            Targets, predicted classes and probabilities of N clips, and D weightings of them,
            such as the draws of a bootstrap.

        Returns
        -------
        ndarray, shape (D,)
            NaN where a weighting says nothing of it.
        """

    def chance(self, clips: WeightedClips) -> FloatArray | None:
        """What chance alone makes of it under each weighting, shape (D,); None if nothing.

        Where that is as much as the figure, its interval begins at the lower end of the range.
        """
        return None


def mean_of_classes(each: FloatArray) -> FloatArray:
    """Mean over the classes that are not NaN, shape (D, C) to (D,); NaN where all are."""
    known = ~np.isnan(each)
    count = known.sum(axis=1)
    mean: FloatArray = np.where(known, each, 0.0).sum(axis=1) / np.where(count > 0, count, np.nan)
    return mean


def each_class(
    value: Callable[[npt.NDArray[np.bool_], FloatArray, FloatArray], FloatArray | float],
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: FloatArray,
) -> FloatArray:
    """A figure of every class against the rest, for many weightings of the clips at once.

    Parameters
    ----------
    value : callable
        Of a class, from whether each clip is of it, (N,), its scores, (N,), and the weights: the
        figure under each weighting, (D,).
    truth : array-like of bool, shape (N, C)
        Whether a clip is of a class; it may be of several, or of none.
    probabilities : array-like, shape (N, C)
        Or any scores: only their order within a class counts.
    weights : ndarray, shape (D, N)
        How often each clip counts.

    Returns
    -------
    ndarray, shape (D, C)

    Raises
    ------
    ParameterError
        If shapes do not fit.
    """
    is_true, given = np.asarray(truth, dtype=bool), np.asarray(probabilities)
    if is_true.ndim != 2 or is_true.shape != given.shape or weights.shape[1:] != is_true.shape[:1]:
        raise ParameterError(f"truth: {is_true.shape=} needs {given.shape=} and {weights.shape=}")
    found = np.empty((len(weights), is_true.shape[1]))
    for column, (of_class, score) in enumerate(zip(is_true.T, given.T, strict=True)):
        found[:, column] = value(of_class, score, weights)
    return found
