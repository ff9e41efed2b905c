"""Every figure of scored clips with its interval: over episodes, or over source recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.evaluation.metrics import (
    OF_CLASS,
    FloatArray,
    IntArray,
    counts_by,
    mean_average_precision,
    paired_codes,
    ratios_from_counts,
    scores_from_counts,
)
from faunashot.evaluation.uncertainty import (
    Interval,
    bootstrap,
    bootstrap_by_group,
    group_codes,
    jackknife_interval,
    mean_interval,
)

FIGURES = ("macro_f1", "accuracy", "weighted_f1")
"""Figures of labels."""

OF_SCORES = ("map", "calibration_error")
"""Figures of probabilities."""

_BINS = 15  # of confidence, as `calibration.expected_calibration_error` has by default


class Intervals(NamedTuple):
    """Figures of a run by name, and one row a class: `OF_CLASS` with ``_low`` and ``_high``."""

    overall: dict[str, Interval]
    of_class: pd.DataFrame


def clip_figures(
    true: IntArray, pred: IntArray, probabilities: FloatArray, weights: FloatArray
) -> dict[str, FloatArray]:
    """Every figure of clips of one label each, for many weightings of them at once.

    Parameters
    ----------
    true, pred : positions of labels among the classes, shape (N,).
    probabilities : shape (N, C).
    weights : how often each clip counts, shape (D, N).

    Returns
    -------
    dict
        Those of `FIGURES` and `OF_SCORES`, shape (D,), and of `OF_CLASS`, shape (D, C), NaN where
        a class does not occur.
    """
    one_hot = np.eye(probabilities.shape[1])
    is_true, is_pred = one_hot[true], one_hot[pred]
    counts = weights @ (is_true * is_pred), weights @ is_true, weights @ is_pred
    gaps = calibration_gaps(probabilities.max(axis=1), true == pred)
    return {
        **scores_from_counts(*counts),
        "map": mean_average_precision(is_true, probabilities, weights),
        "calibration_error": np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1),
        **ratios_from_counts(*counts),
    }


def calibration_gaps(confidence: FloatArray, correct: npt.NDArray[np.bool_]) -> FloatArray:
    """What every clip adds to the gap between accuracy and confidence of each bin, (N, bins).

    The calibration error of clips that count w times is ``abs(w @ gaps).sum() / w.sum()``.
    """
    gaps = np.zeros((confidence.size, _BINS))
    edges = np.linspace(0, 1, _BINS + 1)[1:-1]
    gaps[np.arange(confidence.size), np.searchsorted(edges, confidence)] = correct - confidence
    return gaps


def clip_intervals(
    clips: pd.DataFrame, classes: Sequence[str], *, level: float, draws: int, seed: int
) -> Intervals:
    """Every figure of scored clips with its interval.

    Parameters
    ----------
    clips : columns episode (-1 where nothing is drawn), label, predicted, group, ``p_<class>``.

    Notes
    -----
    Where episodes were drawn, a figure is the mean over those that say something of it, with
    Student's t interval; but the calibration error is that of their clips together, with the
    jackknife over episodes. Elsewhere it is that of all clips, bootstrapped over recordings.
    All intervals are cut to [0, 1], outside which no figure can be.
    """
    true, pred = paired_codes(clips["label"], clips["predicted"], classes)
    probabilities = clips[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
    if (clips["episode"] < 0).all():
        group = group_codes(clips["group"], true.size)
        overall, ends = _bootstrapped(
            true, pred, probabilities, group, level=level, draws=draws, seed=seed
        )
    else:
        episode = pd.factorize(clips["episode"])[0]
        overall, ends = _averaged(true, pred, probabilities, episode, level=level)
    columns: dict[str, object] = {"label": list(classes)}
    for name in OF_CLASS:
        value, low, high = ends[name]
        # a class that no clip is of has the figures that nothing right earns, and no interval
        columns |= {name: np.nan_to_num(value), f"{name}_low": low, f"{name}_high": high}
    return Intervals(overall, pd.DataFrame(columns))


def _bootstrapped(
    true: IntArray,
    pred: IntArray,
    probabilities: FloatArray,
    group: IntArray,
    *,
    level: float,
    draws: int,
    seed: int,
) -> tuple[dict[str, Interval], dict[str, FloatArray]]:
    """Figures of all clips; those of classes as value, low and high, shape (3, C)."""
    gaps = calibration_gaps(probabilities.max(axis=1), true == pred)

    def figures(times: FloatArray) -> dict[str, FloatArray]:
        weights = times[:, group]
        moved = weights @ gaps / weights.sum(axis=1, keepdims=True) - gaps.mean(axis=0)
        chance = np.abs(moved).sum(axis=1)
        return {**clip_figures(true, pred, probabilities, weights), "chance": chance}

    ends = bootstrap(
        figures,
        int(group.max()) + 1,
        mirrored=OF_SCORES,
        n_draws=draws,
        level=level,
        seed=seed,
    )
    # a sum of absolute gaps is never 0: it is taken for 0 where chance alone makes as much
    if ends["chance"][2] >= ends["calibration_error"][0]:
        ends["calibration_error"][1] = 0.0
    recordings = pd.Series(group).groupby(true).nunique().reindex(range(probabilities.shape[1]))
    for name in OF_CLASS:  # one recording says nothing of how much recordings differ
        ends[name][1:, ~(recordings > 1).to_numpy()] = np.nan
    return {name: Interval.of(ends[name]) for name in FIGURES + OF_SCORES}, ends


def _averaged(
    true: IntArray,
    pred: IntArray,
    probabilities: FloatArray,
    episode: IntArray,
    *,
    level: float,
) -> tuple[dict[str, Interval], dict[str, FloatArray]]:
    """Figures over episodes, shaped as those of `_bootstrapped`."""
    is_of = (np.arange(episode.max() + 1)[:, None] == episode).astype(np.float64)
    each = clip_figures(true, pred, probabilities, is_of)
    overall = {name: _over_episodes(each[name], level) for name in (*FIGURES, "map")}
    gaps = is_of @ calibration_gaps(probabilities.max(axis=1), true == pred)
    count = is_of.sum(axis=1)
    left_out = np.abs(gaps.sum(axis=0) - gaps).sum(axis=1) / np.maximum(count.sum() - count, 1)
    together = float(np.abs(gaps.sum(axis=0)).sum() / count.sum())
    overall["calibration_error"] = _cut(jackknife_interval(together, left_out, level=level))
    ends = {
        name: np.array([_over_episodes(one, level) for one in each[name].T], dtype=np.float64).T
        for name in OF_CLASS
    }
    return overall, ends


def label_intervals(
    table: pd.DataFrame, classes: Sequence[str], *, level: float, draws: int, seed: int
) -> dict[str, Interval]:
    """Figures of labels alone, of clips or windows in a table as for `clip_intervals`."""
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
    each = episode_scores(table, classes)
    return {name: _over_episodes(each[name].to_numpy(), level) for name in FIGURES}


def episode_scores(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Figures of labels of every episode: one column each, indexed by episode, ascending."""
    true, pred = paired_codes(table["label"], table["predicted"], classes)
    part, names = pd.factorize(table["episode"], sort=True)
    counts = counts_by(true, pred, part, len(classes))
    return pd.DataFrame(scores_from_counts(*counts), index=pd.Index(names, name="episode"))


def _over_episodes(values: FloatArray, level: float) -> Interval:
    """Mean over the episodes that say something; NaN where none does."""
    said = values[~np.isnan(values)]
    return _cut(mean_interval(said, level=level)) if said.size else Interval(np.nan, None, None)


def _cut(found: Interval) -> Interval:
    """The part of an interval that lies in [0, 1]."""
    value, low, high = found
    if low is None or high is None:
        return found
    return Interval(value, max(low, 0.0), min(high, 1.0))
