"""Held-out window scores to the figures of a run: with intervals, at windows and at clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from faunashot.evaluation.calibration import expected_calibration_error
from faunashot.evaluation.metrics import confusion, per_class, pool_windows, scores
from faunashot.evaluation.uncertainty import Interval, bootstrap_by_group, mean_interval

FIGURES = ("macro_f1", "accuracy", "weighted_f1")
DIGITS = 4
"""Decimals of every figure, so that all places that print it agree."""


@dataclass(frozen=True)
class Summary:
    """The figures of a run.

    Attributes
    ----------
    metrics : at the headline k; ``NAME``, ``NAME_low``, ``NAME_high`` for clips, ``window`` for
        windows, ``calibration_error``, counts.
    curve : one row a k: k, runs, then each figure with its interval.
    per_class : label, precision, recall, f1, support, over all scored clips at the headline k.
    confusion : counts, rows true, columns predicted, likewise.
    predictions : one row a scored clip: episode, fold, clip_id, label, predicted, p_<class>.
    """

    metrics: dict[str, Any]
    curve: pd.DataFrame
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    predictions: pd.DataFrame


def summarise(
    held_out: pd.DataFrame,
    classes: Sequence[str],
    *,
    headline_k: int,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Summary:
    """Summarise window scores of held-out clips.

    Parameters
    ----------
    held_out : columns k, episode (-1 where nothing is drawn), fold, clip_id, label, group,
        start_s, end_s and a column ``p_<class>`` for each of `classes`.

    Notes
    -----
    A window counts in its clip by the seconds of it that it covers: what is padding says nothing.
    Where episodes were drawn, a figure is the mean over them, with Student's t interval.
    Elsewhere every clip was scored once: the figure is that of all clips together, with a
    bootstrap over source recordings.
    """
    columns = [f"p_{name}" for name in classes]
    rows, at_headline = [], None
    for k, of_k in held_out.groupby("k", sort=True):
        by = ("episode", "fold", "clip_id")
        covered_s = of_k["end_s"] - of_k["start_s"]
        pooled = pool_windows(of_k, columns, by=by, weight=covered_s)
        clips = _decide(_normalised(pooled, columns), columns)
        windows = _decide(of_k, columns)
        intervals = _intervals(clips, classes, level=level, draws=draws, seed=seed)
        of_windows = _intervals(windows, classes, level=level, draws=draws, seed=seed)
        runs = int(clips["episode"].nunique())
        rows.append({"k": int(str(k)), "runs": runs, **_flat(intervals)})
        if int(str(k)) == headline_k:
            at_headline = clips, intervals, of_windows
    if at_headline is None:
        raise ValueError(f"nothing was scored at k = {headline_k}")
    clips, intervals, of_windows = at_headline
    truth, guess = clips["label"], clips["predicted"]
    confidence = clips[columns].to_numpy().max(axis=1)
    metrics = {
        **_flat(intervals),
        "window": _flat(of_windows),
        "calibration_error": round(expected_calibration_error(confidence, truth == guess), DIGITS),
        "k": headline_k,
        "classes": len(classes),
        "clips": int(clips["clip_id"].nunique()),
        "scored": len(clips),
    }
    kept = ["episode", "fold", "clip_id", "label", "predicted", *columns]
    return Summary(
        metrics=metrics,
        curve=pd.DataFrame(rows),
        per_class=per_class(truth, guess, classes).round(DIGITS),
        confusion=confusion(truth, guess, classes),
        predictions=clips[kept].round(dict.fromkeys(columns, 6)),
    )


def _normalised(clips: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Scores of a clip to probabilities; a clip with no score at all is a uniform guess."""
    values = clips[columns].to_numpy(dtype=float)
    total = values.sum(axis=1, keepdims=True)
    even = np.full_like(values, 1 / len(columns))
    return clips.assign(
        **pd.DataFrame(
            np.divide(values, total, out=even, where=total > 0), columns=columns, index=clips.index
        )
    )


def _decide(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    names = np.array([name.removeprefix("p_") for name in columns], dtype=object)
    return table.assign(predicted=names[table[columns].to_numpy().argmax(axis=1)])


def _intervals(
    table: pd.DataFrame, classes: Sequence[str], *, level: float, draws: int, seed: int
) -> dict[str, Interval]:
    if (table["episode"] < 0).all():
        return bootstrap_by_group(
            table["label"],
            table["predicted"],
            table["group"],
            classes,
            n_draws=draws,
            level=level,
            seed=seed,
        )
    episodes = table.groupby("episode", sort=True)
    each = [scores(of["label"], of["predicted"], classes) for _, of in episodes]
    return {name: mean_interval([one[name] for one in each], level=level) for name in FIGURES}


def _flat(intervals: dict[str, Interval]) -> dict[str, float | None]:
    flat: dict[str, float | None] = {}
    for name in FIGURES:
        found = intervals[name]
        for suffix, value in (("", found.value), ("_low", found.low), ("_high", found.high)):
            flat[name + suffix] = None if value is None else round(float(value), DIGITS)
    return flat
