"""Scores of clips or windows: F1, accuracy, mAP, per-class figures and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import confusion_matrix

from faunashot.errors import ParameterError

IntArray = npt.NDArray[np.intp]
FloatArray = npt.NDArray[np.float64]

OF_CLASS = ("precision", "recall", "f1")
"""Figures that every class has of its own."""


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
    windows : one row per window, with the columns of `by` and one column per class.
    classes : names of the probability columns, in [0, 1].
    by : columns that together name a clip (in an episode, of a system, ...). A missing value
        is a key of its own.
    weight : of each window, shape (N,), positive, such as the seconds of the clip that it
        covers; equal if not given.

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


def counts_by(true: IntArray, pred: IntArray, part: IntArray, n_classes: int) -> FloatArray:
    """Diagonal, row sums and column sums of a confusion matrix of every part of the clips.

    Parameters
    ----------
    true, pred : positions of labels among the classes, shape (N,).
    part : number from 0 on of the part (source recording, episode) that each is of, shape (N,).

    Returns
    -------
    array
        Shape (3, P, C): what `scores_from_counts` and `ratios_from_counts` take; they add up over
        parts.
    """
    n_parts = int(part.max()) + 1
    every = np.ones(true.shape, dtype=bool)
    cells = [(true == pred, true), (every, true), (every, pred)]
    flat = [
        np.bincount(part[kept] * n_classes + labels[kept], minlength=n_parts * n_classes)
        for kept, labels in cells
    ]
    return np.stack(flat).reshape(3, n_parts, n_classes).astype(np.float64)


def scores_from_counts(
    hits: npt.NDArray[Any], support: npt.NDArray[Any], predicted: npt.NDArray[Any]
) -> dict[str, FloatArray]:
    """Macro-F1, accuracy and weighted F1 from counts per class; the one place with their rules.

    Parameters
    ----------
    hits, support, predicted : shape (..., C): diagonal, row sums and column sums of a confusion
        matrix with rows true. Leading axes hold samples, such as the draws of a bootstrap.

    Returns
    -------
    dict
        ``macro_f1``, ``accuracy``, ``weighted_f1``, each of shape (...), in [0, 1]. The rules are
        those of `scores`.
    """
    total = support.sum(axis=-1)
    occurs = support > 0
    # where a class does not occur F1 has no say below, so any divisor but 0 will do
    f1 = 2.0 * hits / np.where(occurs, support + predicted, 1)
    return {
        "macro_f1": np.where(occurs, f1, 0.0).sum(axis=-1) / occurs.sum(axis=-1),
        "accuracy": hits.sum(axis=-1) / total,
        "weighted_f1": (f1 * support).sum(axis=-1) / total,
    }


def ratios_from_counts(
    hits: npt.NDArray[Any], support: npt.NDArray[Any], predicted: npt.NDArray[Any]
) -> dict[str, FloatArray]:
    """Precision, recall and F1 of every class, shape (..., C), from counts as above.

    NaN where a class does not occur in a sample, which then says nothing about it; precision is 0
    where a class occurs but is never predicted.
    """
    occurs = np.where(support > 0, 1.0, np.nan)
    return {
        "precision": occurs * hits / np.where(predicted > 0, predicted, 1),
        "recall": occurs * hits / np.where(support > 0, support, 1),
        "f1": occurs * 2.0 * hits / np.where(support > 0, support + predicted, 1),
    }


def average_precision(
    truth: npt.NDArray[Any], probabilities: npt.NDArray[Any], weights: FloatArray | None = None
) -> FloatArray:
    """Average precision of every class against the rest, for many weightings of the clips at once.

    Parameters
    ----------
    truth : whether a clip is of a class, shape (N, C), bool or 0 and 1; a clip may be of several
        classes, or of none.
    probabilities : or any scores, shape (N, C); only their order within a class counts.
    weights : how often each clip counts, shape (D, N), such as the draws of a bootstrap; each
        once if not given, which is D = 1.

    Returns
    -------
    array
        Shape (D, C), in [0, 1]: the sum over clips of the class of the precision down to that
        clip and those of equal score, as scikit-learn has it. NaN where no clip of the class
        counts.

    Raises
    ------
    ParameterError
        If shapes do not fit.
    """
    is_true, given = np.asarray(truth, dtype=bool), np.asarray(probabilities)
    times = np.ones((1, len(is_true))) if weights is None else weights
    if is_true.ndim != 2 or is_true.shape != given.shape or times.shape[1:] != is_true.shape[:1]:
        raise ParameterError(f"truth: {is_true.shape=} needs {given.shape=} and {times.shape=}")
    found = np.full((len(times), is_true.shape[1]), np.nan)
    for column, (of_class, score) in enumerate(zip(is_true.T, given.T, strict=True)):
        order = np.argsort(-score, kind="stable")
        at = np.flatnonzero(of_class[order])
        if not at.size:
            continue
        # a threshold takes all clips of equal score: count down to the last of them
        falling = -score[order]
        last = np.searchsorted(falling, falling[at], side="right") - 1
        taken = times[:, order].cumsum(axis=1)[:, last]
        counted = times[:, order[at]]
        hits = counted.cumsum(axis=1)[:, np.searchsorted(at, last, side="right") - 1]
        precision = np.divide(hits, taken, out=np.zeros_like(hits), where=taken > 0)
        total = counted.sum(axis=1)
        total[total == 0] = np.nan
        found[:, column] = (precision * counted).sum(axis=1) / total
    return found


def mean_average_precision(
    truth: npt.NDArray[Any], probabilities: npt.NDArray[Any], weights: FloatArray | None = None
) -> FloatArray:
    """Mean of `average_precision` over the classes that occur, shape (D,)."""
    each = average_precision(truth, probabilities, weights)
    occurs = ~np.isnan(each)
    count = occurs.sum(axis=1).astype(np.float64)
    count[count == 0] = np.nan
    mean: FloatArray = np.where(occurs, each, 0.0).sum(axis=1) / count
    return mean


def scores(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, classes: Sequence[str]
) -> dict[str, float]:
    """Macro-F1, accuracy and weighted F1 of predicted labels.

    Macro-F1 is the mean over the classes that occur in `y_true`: a fold without a clip of a class
    says nothing about that class and must not count it as 0. A prediction of such a class is wrong
    all the same, and lowers the recall of the class it took the clip from. A class that occurs but
    is never predicted has F1 0.

    Parameters
    ----------
    y_true, y_pred : labels, shape (N,), each one of `classes`.
    classes : every class that can be predicted.

    Returns
    -------
    dict
        ``macro_f1``, ``accuracy``, ``weighted_f1`` (weighted by support), each in [0, 1].

    Raises
    ------
    ParameterError
        If there is nothing to score, lengths differ, or a label is not one of `classes`.
    """
    true, pred = paired_codes(y_true, y_pred, classes)
    n = len(classes)
    counts = scores_from_counts(
        np.bincount(true[true == pred], minlength=n),
        np.bincount(true, minlength=n),
        np.bincount(pred, minlength=n),
    )
    return {name: float(value) for name, value in counts.items()}


def confusion(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, classes: Sequence[str]) -> pd.DataFrame:
    """Confusion matrix: counts with rows true and columns predicted, shape (C, C).

    Parameters
    ----------
    y_true, y_pred : labels, shape (N,), each one of `classes`.
    classes : every class that can be predicted; gives the order of rows and columns.

    Returns
    -------
    DataFrame
        Index named "true", columns named "predicted"; entries add up to N.

    Raises
    ------
    ParameterError
        As `scores` does.
    """
    true, pred = paired_codes(y_true, y_pred, classes)
    return pd.DataFrame(
        confusion_matrix(true, pred, labels=range(len(classes))),
        index=pd.Index(list(classes), name="true"),
        columns=pd.Index(list(classes), name="predicted"),
    )
