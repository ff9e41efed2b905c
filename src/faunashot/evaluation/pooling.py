"""Scores of windows pooled to scores of clips."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError


def pool_windows(
    windows: pd.DataFrame,
    classes: Sequence[str],
    *,
    by: Sequence[str] = ("clip_id",),
    weight: npt.ArrayLike | None = None,
) -> pd.DataFrame:
    """Pool the scores of windows to scores of clips by their weighted mean.

    Parameters
    ----------
    windows : DataFrame
        One row per window, with the columns of `by` and one column per class.
    classes : sequence of str
        Names of the probability columns, in [0, 1].
    by : sequence of str
        Columns that together name a clip (in an episode, of a system, ...). A missing value is a
        key of its own.
    weight : array_like, shape (N,)
        Of each window, positive, such as the seconds of the clip that it covers; equal if not
        given.

    Returns
    -------
    DataFrame
        One row per key, in the order of first appearance. Class columns hold the mean in float64.
        Other columns (label, fold, group) are kept where they are constant within every key, and
        left out where they are not (start_s). Columns keep their order.

    Raises
    ------
    ParameterError
        If a column is missing, a name occurs twice, a probability is not a finite number, or a
        weight is not positive.
    """
    names, keys = list(classes), list(by)
    wanted = keys + names
    if not keys or not names or len(set(wanted)) < len(wanted):
        raise ParameterError(f"by, classes: needs some names of each, all different: {wanted}")
    missing = [name for name in wanted if name not in windows.columns]
    if missing:
        raise ParameterError(f"windows: no column {missing[0]!r} (columns missing: {len(missing)})")
    scored = windows.astype(dict.fromkeys(names, np.float64)).reset_index(drop=True)
    finite = np.isfinite(scored[names].to_numpy())
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise ParameterError(f"windows: row {row}, class {names[column]!r} is not a finite number")

    weights = np.ones(len(scored)) if weight is None else np.asarray(weight, dtype=np.float64)
    if weights.shape != (len(scored),) or not (weights > 0).all():
        raise ParameterError(f"weight: needs {len(scored)} positive numbers, one a window")
    scored[names] = scored[names].mul(weights, axis=0)
    grouped = scored.groupby(keys, dropna=False, observed=True)
    total = pd.Series(weights).groupby(grouped.ngroup()).transform("sum")
    others = [name for name in windows.columns if name not in wanted]
    # nunique counts a missing value as one more value, so a half-filled column is not constant
    varying = [name for name in others if grouped[name].nunique(dropna=False).gt(1).any()]
    is_first = grouped.cumcount() == 0
    scored[names] = grouped[names].transform("sum").div(total, axis=0)
    return scored[is_first].drop(columns=varying).reset_index(drop=True)
