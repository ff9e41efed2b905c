"""Labels saved: how many labelled clips a class one system needs to do as well as another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.labels import FloatArray


def labels_saved(better: pd.DataFrame, worse: pd.DataFrame) -> pd.DataFrame:
    """How many labels a class the better system needs to match the other at each of its k.

    Macro-F1 of the better system is interpolated linearly over log k; where its curve is not
    monotone, the first k that reaches the figure counts.

    Parameters
    ----------
    better, worse : DataFrame
        Curves, columns ``k, macro_f1``; k = 0 (no labels) has no logarithm, and is left out.

    Returns
    -------
    DataFrame
        Of each k of `worse`: ``k``, ``macro_f1`` to be matched, ``needed`` (labels a class, NaN
        where the curve does not say), ``saved`` (k less that), and ``shown``, which also says
        ``under 1`` or ``more than 20`` where the curve begins or ends there.

    Raises
    ------
    ParameterError
        If a curve has a k twice, or none above 0.
    """
    ks, reached = _curve(better, key="better")
    k, wanted = _curve(worse, key="worse")
    is_there = reached >= wanted[:, None]
    at = is_there.argmax(axis=1)
    ever, at_once = is_there.any(axis=1), is_there[:, 0] & (reached[0] > wanted)
    before = np.maximum(at - 1, 0)
    step = np.where(at > 0, reached[at] - reached[before], 1.0)
    part = np.where(at > 0, (wanted - reached[before]) / step, 0.0)
    needed = ks[before] * (ks[at] / ks[before]) ** part
    needed[~ever | at_once] = np.nan
    shown = np.where(ever, f"under {ks[0]:g}", f"more than {ks[-1]:g}").astype(object)
    known = ~np.isnan(needed)
    shown[known] = [f"{labels:.1f}" for labels in needed[known]]
    return pd.DataFrame(
        {
            "k": k.astype(int),
            "macro_f1": wanted,
            "needed": needed,
            "saved": k - needed,
            "shown": shown,
        }
    )


def is_ahead(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    """Whether curve `a` lies above `b` in the mean over the k that both reach to."""
    (ks_a, of_a), (ks_b, of_b) = _curve(a, key="a"), _curve(b, key="b")
    every = np.union1d(ks_a, ks_b)
    shared = every[(every >= max(ks_a[0], ks_b[0])) & (every <= min(ks_a[-1], ks_b[-1]))]
    if not shared.size:
        raise ParameterError(f"b: k from {ks_b[0]:g} to {ks_b[-1]:g} share none with those of a")
    gap = _at(shared, ks_a, of_a) - _at(shared, ks_b, of_b)
    return bool(gap.mean() >= 0)


def _at(k: FloatArray, ks: FloatArray, scores: FloatArray) -> FloatArray:
    return np.interp(np.log(k), np.log(ks), scores)


def _curve(curve: pd.DataFrame, *, key: str) -> tuple[FloatArray, npt.NDArray[np.float64]]:
    table = curve[curve["k"] > 0].sort_values("k")
    if table.empty or table["k"].duplicated().any():
        raise ParameterError(f"{key}: needs a curve with one k above 0 or more, each once")
    return table["k"].to_numpy(dtype=np.float64), table["macro_f1"].to_numpy(dtype=np.float64)
