"""Labels as positions among the classes, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError

IntArray = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]


def label_codes(labels: npt.ArrayLike, classes: Sequence[str], *, key: str = "labels") -> IntArray:
    """Positions of labels in `classes`, shape (N,).

    Raises
    ------
    ParameterError
        If there are no labels, a class is named twice, or a label is not a class; `key` says of
        which argument.
    """
    index = pd.Index(list(classes))
    if not index.is_unique:
        raise ParameterError(f"classes: {index[index.duplicated()][0]!r} is named twice")
    values = np.asarray(labels, dtype=object)
    if values.ndim != 1 or not values.size:
        raise ParameterError(f"{key}: needs one label or more in one dimension, {values.shape=}")
    codes = index.get_indexer(pd.Index(values))
    if (codes < 0).any():
        raise ParameterError.unknown(key, values[codes < 0][0], map(str, index))
    return codes


def paired_codes(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, classes: Sequence[str]
) -> tuple[IntArray, IntArray]:
    """Positions in `classes` of true and predicted labels, which must be equally many."""
    true = label_codes(y_true, classes, key="y_true")
    pred = label_codes(y_pred, classes, key="y_pred")
    if true.size != pred.size:
        raise ParameterError(f"y_pred: {pred.size} labels for {true.size} in y_true")
    return true, pred


def confusion(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, classes: Sequence[str]) -> pd.DataFrame:
    """Confusion matrix: counts with rows true and columns predicted, shape (C, C).

    Parameters
    ----------
    y_true, y_pred : array_like of str, shape (N,)
        Labels, each one of `classes`.
    classes : sequence of str, length C
        Every class that can be predicted, in the order of rows and columns.

    Returns
    -------
    DataFrame
        Index named "true", columns named "predicted"; entries add up to N.

    Raises
    ------
    ParameterError
        There is nothing to count, lengths differ, or a label is not one of `classes`.
    """
    true, pred = paired_codes(y_true, y_pred, classes)
    number = range(len(classes))
    counts = pd.crosstab(true, pred).reindex(index=number, columns=number, fill_value=0)
    return pd.DataFrame(
        counts.to_numpy(),
        index=pd.Index(list(classes), name="true"),
        columns=pd.Index(list(classes), name="predicted"),
    )
