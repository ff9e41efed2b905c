"""How well recordings of none of the classes are told from those of one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.uncertainty import Interval

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def rejection(
    score: npt.ArrayLike,
    known: npt.ArrayLike,
    *,
    groups: npt.ArrayLike,
    threshold: float,
    correct: npt.ArrayLike | None = None,
    recall: float = 0.95,
    n_bootstrap: int = 2000,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Figures of a detector of the unknown, with intervals by bootstrap over source recordings.

    Known recordings and background are drawn apart, so that a draw has groups of both.

    Parameters
    ----------
    score : array_like, shape (N,)
        How unknown each recording is.
    known : array_like of bool, shape (N,)
        Whether it is of one of the classes; some are, and some are background.
    groups : array_like, shape (N,)
        Source recording of each.
    threshold : float
        Of the model; a recording passes as one of the classes where it scores no higher.
    correct : array_like of bool, shape (N,)
        Whether the class that is answered is right; read where `known`.
    recall : float
        Share of the known for ``false_alarms_at_recall``, in (0, 1].
    n_bootstrap, confidence_level, seed : int, float, int
        Of the bootstrap.

    Returns
    -------
    dict
        ``auroc``: how often background scores above a known recording. ``false_alarms_at_recall``:
        background that passes where `recall` of the known do, whatever the threshold for that.
        ``false_alarms`` and ``passed``: background and known recordings that pass `threshold`.
        ``accuracy``: right ones of the known that pass, where `correct` is given and some pass.
        Each an Interval in [0, 1], without ends where either kind comes from one group.

    Raises
    ------
    ParameterError
        There are not some of both kinds, lengths differ, a group is missing, or a number is not
        finite or out of range.
    """
    scores, is_known = np.asarray(score, dtype=np.float64), np.asarray(known, dtype=bool)
    right = np.full(len(scores), np.nan) if correct is None else np.asarray(correct, np.float64)
    if scores.ndim != 1 or not scores.shape == is_known.shape == right.shape:
        raise ParameterError(f"known, correct: needs one for each of {scores.size} scores")
    if is_known.all() or not is_known.any() or not np.isfinite([*scores, threshold]).all():
        raise ParameterError("score: needs finite numbers, of known recordings and of background")
    if not (0 < recall <= 1 and 0 < confidence_level < 1 and n_bootstrap >= 1):
        raise ParameterError(
            f"recall {recall}, confidence_level {confidence_level}, n_bootstrap {n_bootstrap}: "
            "out of range"
        )
    group, _ = pd.factorize(np.asarray(groups, dtype=object))
    if group.shape != scores.shape or group.min() < 0:
        raise ParameterError(f"groups: needs one for each of {scores.size} scores, none missing")
    unit = 2 * group + is_known
    sides = [np.unique(unit[is_known]), np.unique(unit[~is_known])]

    order = np.argsort(scores, kind="stable")
    table = _Sorted(scores[order], is_known[order], right[order], threshold, recall)
    unit = unit[order]
    value = table.figures(np.ones(len(unit)))
    draws = np.full((n_bootstrap, len(value)), np.nan)
    if min(map(len, sides)) > 1:
        rng = np.random.default_rng(seed)
        for draw in draws:
            drawn = np.concatenate([rng.choice(side, len(side)) for side in sides])
            draw[:] = table.figures(np.bincount(drawn, minlength=unit.max() + 1)[unit])
    tails = [(1 - confidence_level) / 2, (1 + confidence_level) / 2]
    found = {}
    for name, of_all, of_draws in zip(_Sorted.NAMES, value, draws.T, strict=True):
        drawn = of_draws[np.isfinite(of_draws)]  # where none passes there is no accuracy
        low, high = np.quantile(drawn, tails).tolist() if drawn.size else (None, None)
        if np.isfinite(of_all):
            found[name] = Interval(float(of_all), low, high)
    return found


class _Sorted:
    """Recordings by ascending score, whose figures are wanted under many weights."""

    NAMES = ("auroc", "false_alarms_at_recall", "false_alarms", "passed", "accuracy")

    def __init__(
        self,
        scores: FloatArray,
        known: BoolArray,
        right: FloatArray,
        threshold: float,
        recall: float,
    ) -> None:
        self._known, self._right, self._recall = known, right, recall
        self._last_of_tie = np.append(np.diff(scores) > 0, True)
        self._passed = scores <= threshold

    def figures(self, weight: npt.NDArray[np.number]) -> FloatArray:
        """Figures in the order of `NAMES` where each recording counts so many times."""
        of_known = weight * self._known
        of_background = weight * ~self._known
        known = np.cumsum(of_known)[self._last_of_tie] / of_known.sum()
        background = np.cumsum(of_background)[self._last_of_tie] / of_background.sum()
        below = (known + np.append(0.0, known[:-1])) / 2  # a tie counts half
        kept = of_known[self._passed].sum()
        right = (of_known * self._right)[self._passed].sum()
        return np.array(
            [
                below @ np.diff(background, prepend=0.0),
                background[np.searchsorted(known, self._recall - 1e-9)],
                of_background[self._passed].sum() / of_background.sum(),
                kept / of_known.sum(),
                right / kept if kept else np.nan,
            ]
        )
