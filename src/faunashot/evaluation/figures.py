"""Every metric of scored clips with its intervals: over recordings and draws, over draws alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from faunashot.evaluation.episodes import ScoredEpisodes
from faunashot.evaluation.labels import FloatArray
from faunashot.evaluation.metrics import metric_values, metrics_for
from faunashot.evaluation.metrics.base import Metric
from faunashot.evaluation.scored import OF_CLASS, OF_SCORES
from faunashot.evaluation.uncertainty import (
    Interval,
    bootstrap,
    jackknife_interval,
    mean_interval,
)


class Intervals(NamedTuple):
    """Figures of scored clips.

    Attributes
    ----------
    overall : dict of str to Interval
        Metrics by name, with the interval over source recordings and, where episodes were drawn,
        over the draws of labelled clips together.
    draws : dict of str to Interval
        The same with the interval over draws alone; empty where there is no second episode.
    of_class : DataFrame
        One row a class: label, then `OF_CLASS`, and of scores the average precision, each with
        ``_low`` and ``_high``, as in `overall`.
    """

    overall: dict[str, Interval]
    draws: dict[str, Interval]
    of_class: pd.DataFrame


def clip_intervals(
    clips: pd.DataFrame,
    classes: Sequence[str],
    *,
    multi_label: bool = False,
    with_scores: bool = True,
    confidence_level: float,
    n_bootstrap: int,
    seed: int,
) -> Intervals:
    """Every metric of scored clips, or windows, with its intervals.

    Parameters
    ----------
    clips : DataFrame
        Columns episode (-1 where nothing is drawn), label, predicted, group, ``p_<class>``.
    classes : sequence of str
        Every class that can be predicted.
    multi_label : bool
        Whether labels are class names joined, and probabilities need not sum to 1.
    with_scores : bool
        Whether metrics of probabilities are among them, or those of labels alone.
    confidence_level, n_bootstrap, seed : float, int, int
        Of the intervals.

    Notes
    -----
    Where episodes were drawn, a figure is the mean over those that say something of it; but one
    that is `pooled_over_episodes` is that of their clips together. Its interval is by the
    bootstrap of `uncertainty.bootstrap`, which draws recordings and episodes; over draws alone
    it is Student's t interval, or the jackknife's. Intervals are cut to the metric's range.
    """
    metrics = metrics_for(multi_label=multi_label, of=None if with_scores else "labels")
    scored = ScoredEpisodes.of_table(
        clips, classes, multi_label=multi_label, with_scores=with_scores
    )
    mirrored = {name: metric.range for name, metric in metrics.items() if metric.biased_upwards}
    mirrored[OF_SCORES] = (0.0, 1.0)
    ends = bootstrap(
        lambda times, episodes: scored.values(metrics, times, episodes, with_classes=True),
        scored.n_recordings,
        n_episodes=scored.n_episodes,
        centred=[*(metrics.keys() - mirrored), *OF_CLASS],
        mirrored=mirrored,
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        seed=seed,
    )
    for name, metric in metrics.items():
        chance = ends.get(f"{name} by chance")
        if chance is not None and chance[2] >= ends[name][0]:
            ends[name][1] = metric.range[0]
    return Intervals(
        {name: _cut(Interval.of(ends[name]), metric.range) for name, metric in metrics.items()},
        _over_draws(scored, metrics, confidence_level=confidence_level),
        _of_class(scored, ends, classes),
    )


def _of_class(
    scored: ScoredEpisodes, ends: Mapping[str, FloatArray], classes: Sequence[str]
) -> pd.DataFrame:
    """Figures of classes."""
    alone = scored.of_one_recording
    columns: dict[str, object] = {"label": list(classes)}
    for name in (name for name in (*OF_CLASS, OF_SCORES) if name in ends):
        value, low, high = ends[name]
        columns |= {
            # a class that no clip is of has the figures that nothing right earns, and no interval
            name: np.nan_to_num(value),
            f"{name}_low": np.where(alone, np.nan, low.clip(0, 1)),
            f"{name}_high": np.where(alone, np.nan, high.clip(0, 1)),
        }
    return pd.DataFrame(columns)


def _over_draws(
    scored: ScoredEpisodes, metrics: Mapping[str, Metric], *, confidence_level: float
) -> dict[str, Interval]:
    """Metrics with their intervals over episodes, which share the recordings they score."""
    n = scored.n_episodes
    if n < 2:
        return {}
    pooled = {name: metric for name, metric in metrics.items() if metric.pooled_over_episodes}
    each = scored.by_episode(metrics)
    left_out = metric_values(pooled, scored.clips.weighted((1 - np.eye(n))[:, scored.episode]))
    together = metric_values(pooled, scored.clips.weighted(np.ones((1, scored.clips.n_parts))))
    found = {}
    for name, metric in metrics.items():
        if name in pooled:
            value = float(together[name][0])
            interval = jackknife_interval(value, left_out[name], confidence_level=confidence_level)
        else:
            interval = _mean(each[name], confidence_level)
        found[name] = _cut(interval, metric.range)
    return found


def _mean(values: FloatArray, confidence_level: float) -> Interval:
    """Mean over the episodes that say something; NaN where none does."""
    known = values[~np.isnan(values)]
    if not known.size:
        return Interval(np.nan, None, None)
    return mean_interval(known, confidence_level=confidence_level)


def _cut(found: Interval, within: tuple[float, float]) -> Interval:
    """The part of an interval that lies within a range."""
    value, low, high = found
    if low is None or high is None:
        return found
    return Interval(value, max(low, within[0]), min(high, within[1]))
