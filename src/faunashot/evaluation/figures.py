"""Every metric of scored clips with its interval: over episodes, or over source recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from faunashot.evaluation.labels import FloatArray, IntArray
from faunashot.evaluation.metrics import metric_values, metrics_for
from faunashot.evaluation.metrics.base import Metric
from faunashot.evaluation.scored import OF_CLASS, ScoredClips, ratios
from faunashot.evaluation.uncertainty import (
    Interval,
    bootstrap,
    group_codes,
    jackknife_interval,
    mean_interval,
)


class Intervals(NamedTuple):
    """Metrics by name, and one row a class: `OF_CLASS` with ``_low`` and ``_high``."""

    overall: dict[str, Interval]
    of_class: pd.DataFrame


def clip_intervals(
    clips: pd.DataFrame,
    classes: Sequence[str],
    *,
    multi_label: bool = False,
    confidence_level: float,
    n_bootstrap: int,
    seed: int,
) -> Intervals:
    """Every metric of scored clips with its interval.

    Parameters
    ----------
    clips : DataFrame
        Columns episode (-1 where nothing is drawn), label, predicted, group, ``p_<class>``.
    classes : sequence of str
        Every class that can be predicted.
    multi_label : bool
        Whether labels are class names joined, and probabilities need not sum to 1.
    confidence_level, n_bootstrap, seed : float, int, int
        Of the intervals.

    Notes
    -----
    Where episodes were drawn, a figure is the mean over those that say something of it, with
    Student's t interval; but one that is `pooled_over_episodes` is that of their clips together,
    with the jackknife over episodes. Elsewhere it is that of all clips, bootstrapped over
    recordings. Intervals are cut to the metric's range.
    """
    metrics = metrics_for(multi_label=multi_label)
    is_drawn, part = _parts(clips)
    scored = ScoredClips.of_table(clips, classes, part=part, multi_label=multi_label)
    if is_drawn:
        overall = _over_episodes(scored, metrics, confidence_level=confidence_level)
        ends = _classes_over_episodes(scored, confidence_level=confidence_level)
    else:
        settings: dict[str, Any] = {
            "n_bootstrap": n_bootstrap,
            "confidence_level": confidence_level,
            "seed": seed,
        }
        overall, ends = _bootstrapped(scored, metrics, with_classes=True, **settings)
    columns: dict[str, object] = {"label": list(classes)}
    for name in OF_CLASS:
        value, low, high = ends[name]
        # a class that no clip is of has the figures that nothing right earns, and no interval
        columns |= {name: np.nan_to_num(value), f"{name}_low": low, f"{name}_high": high}
    return Intervals(overall, pd.DataFrame(columns))


def label_intervals(
    table: pd.DataFrame,
    classes: Sequence[str],
    *,
    multi_label: bool = False,
    confidence_level: float,
    n_bootstrap: int,
    seed: int,
) -> dict[str, Interval]:
    """Metrics of labels alone, of clips or windows in a table as for `clip_intervals`."""
    metrics = metrics_for(multi_label=multi_label, of="labels")
    is_drawn, part = _parts(table)
    scored = ScoredClips.of_labels(
        table["label"], table["predicted"], classes, part=part, multi_label=multi_label
    )
    if is_drawn:
        return _over_episodes(scored, metrics, confidence_level=confidence_level)
    settings: dict[str, Any] = {
        "n_bootstrap": n_bootstrap,
        "confidence_level": confidence_level,
        "seed": seed,
    }
    return _bootstrapped(scored, metrics, with_classes=False, **settings)[0]


def episode_scores(
    table: pd.DataFrame, classes: Sequence[str], *, multi_label: bool = False
) -> pd.DataFrame:
    """Metrics of labels of every episode: one column each, indexed by episode, ascending."""
    part, names = pd.factorize(table["episode"], sort=True)
    scored = ScoredClips.of_labels(
        table["label"], table["predicted"], classes, part=part, multi_label=multi_label
    )
    metrics = metrics_for(multi_label=multi_label, of="labels")
    each = metric_values(metrics, scored.weighted(np.eye(len(names))))
    return pd.DataFrame(each, index=pd.Index(names, name="episode"))


def _parts(table: pd.DataFrame) -> tuple[bool, IntArray]:
    """Whether episodes were drawn, and the number of the episode or recording of each row."""
    if (table["episode"] < 0).all():
        return False, group_codes(table["group"], len(table))
    return True, pd.factorize(table["episode"])[0]


def _bootstrapped(
    scored: ScoredClips,
    metrics: Mapping[str, Metric],
    *,
    with_classes: bool,
    n_bootstrap: int,
    confidence_level: float,
    seed: int,
) -> tuple[dict[str, Interval], dict[str, FloatArray]]:
    """Metrics of all clips; figures of classes as value, low and high, shape (3, C)."""

    def figures(times: FloatArray) -> dict[str, FloatArray]:
        clips = scored.weighted(times)
        chance = {f"{n} by chance": metric.chance(clips) for n, metric in metrics.items()}
        return {
            **metric_values(metrics, clips),
            **{name: of for name, of in chance.items() if of is not None},
            **(ratios(clips.counts) if with_classes else {}),
        }

    ends = bootstrap(
        figures,
        scored.n_parts,
        mirrored={name: metric.range for name, metric in metrics.items() if metric.biased_upwards},
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        seed=seed,
    )
    for name, metric in metrics.items():
        chance = ends.get(f"{name} by chance")
        if chance is not None and chance[2] >= ends[name][0]:
            ends[name][1] = metric.range[0]
    if with_classes:  # one recording says nothing of how much recordings differ
        recordings = (scored.counts_by_part[1] > 0).sum(axis=0)
        for name in OF_CLASS:
            ends[name][1:, recordings < 2] = np.nan
    return {n: _cut(Interval.of(ends[n]), metric.range) for n, metric in metrics.items()}, ends


def _over_episodes(
    scored: ScoredClips, metrics: Mapping[str, Metric], *, confidence_level: float
) -> dict[str, Interval]:
    """Metrics over episodes, the parts of the clips."""
    one_each = np.eye(scored.n_parts)
    each = metric_values(metrics, scored.weighted(one_each))
    pooled = {n: metric for n, metric in metrics.items() if metric.pooled_over_episodes}
    together = metric_values(pooled, scored.weighted(np.ones((1, scored.n_parts))))
    left_out = metric_values(pooled, scored.weighted(1 - one_each))
    found = {}
    for name, metric in metrics.items():
        if name in pooled:
            value = float(together[name][0])
            interval = jackknife_interval(value, left_out[name], confidence_level=confidence_level)
        else:
            interval = _mean(each[name], confidence_level)
        found[name] = _cut(interval, metric.range)
    return found


def _classes_over_episodes(
    scored: ScoredClips, *, confidence_level: float
) -> dict[str, FloatArray]:
    """Figures of classes over episodes as value, low and high, shape (3, C)."""
    each = ratios(scored.weighted(np.eye(scored.n_parts)).counts)
    return {
        name: np.array(
            [_cut(_mean(one, confidence_level), (0.0, 1.0)) for one in each[name].T],
            dtype=np.float64,
        ).T
        for name in OF_CLASS
    }


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
