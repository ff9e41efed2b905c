"""Two systems class by class: how well each ranks the same clips, and what the difference is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from faunashot.evaluation.episodes import ScoredEpisodes
from faunashot.evaluation.labels import FloatArray
from faunashot.evaluation.metrics import metrics_for
from faunashot.evaluation.scored import OF_SCORES
from faunashot.evaluation.uncertainty import percentiles, resampled
from faunashot.targets import target_matrix

RANKING = ("map", "mauc", "d_prime")
"""Metrics of all classes together, of those that apply."""

A, B, DIFFERENCE = "a", "b", "difference"
"""The two systems, and the first less the second."""


class ClassPairs(NamedTuple):
    """Figures of two systems on the same clips.

    Attributes
    ----------
    of_classes : DataFrame
        One row a class: label, clips (that are of it), and the average precision ``a``, ``b`` and
        ``difference``, each with ``_low`` and ``_high``; missing where there is no interval.
    overall : DataFrame
        One row a metric of all classes, with the same columns but clips; its label is the name.
    """

    of_classes: pd.DataFrame
    overall: pd.DataFrame


def class_pairs(
    a: pd.DataFrame,
    b: pd.DataFrame,
    classes: Sequence[str],
    *,
    multi_label: bool,
    confidence_level: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> ClassPairs:
    """Compare two systems by how each ranks the same clips, class by class.

    Parameters
    ----------
    a, b : DataFrame
        Columns episode (-1 where nothing is drawn), clip_id, label, predicted, group and
        ``p_<class>``: the same clips in the same episodes.
    classes : sequence of str
        Those that are compared.
    multi_label : bool
        Whether labels are class names joined.
    confidence_level, n_bootstrap, seed : float, int, int
        Of the intervals.

    Notes
    -----
    Intervals are by `uncertainty.bootstrap`: the same recordings and episodes are drawn for both.
    Those of an average precision are the basic ones, see `Metric.biased_upwards`; in a difference
    what a small sample adds to both goes away, so its interval is that of the percentiles.
    """
    tables = [run.sort_values(["episode", "clip_id"]) for run in (a, b)]
    runs = [
        ScoredEpisodes.of_table(run, classes, multi_label=multi_label, with_scores=True)
        for run in tables
    ]
    known = metrics_for(multi_label=multi_label, of="scores")
    metrics = {name: known[name] for name in RANKING if name in known}
    names = [OF_SCORES, *metrics]

    def figures(times: FloatArray, episodes: FloatArray) -> dict[str, FloatArray]:
        first, second = (run.values(metrics, times, episodes, with_classes=True) for run in runs)
        found: dict[str, FloatArray] = {}
        for name in names:
            found |= {f"{A} {name}": first[name], f"{B} {name}": second[name]}
            found[f"{DIFFERENCE} {name}"] = first[name] - second[name]
        return found

    value, draws = resampled(
        figures,
        runs[0].n_recordings,
        n_episodes=runs[0].n_episodes,
        centred=[f"{DIFFERENCE} {name}" for name in names],
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    ranges = {OF_SCORES: (0.0, 1.0)}
    ranges |= {name: of.range for name, of in metrics.items() if of.biased_upwards}
    mirrored = {f"{side} {name}": ends for side in (A, B) for name, ends in ranges.items()}
    ends = percentiles(value, draws, mirrored=mirrored, confidence_level=confidence_level)
    once = tables[0].drop_duplicates("clip_id")["label"].tolist()
    clips = target_matrix(once, classes, multi_label=multi_label).sum(axis=0).astype(int)
    of_classes = pd.DataFrame({"label": list(classes), "clips": clips, **_columns(ends, OF_SCORES)})
    limits = [name for name in of_classes if str(name).endswith(("_low", "_high"))]
    of_classes.loc[runs[0].of_one_recording, limits] = np.nan
    overall = pd.DataFrame([{"label": name, **_columns(ends, name)} for name in metrics])
    return ClassPairs(of_classes, overall)


def _columns(ends: Mapping[str, FloatArray], name: str) -> dict[str, FloatArray]:
    """Value and interval of both systems and of the difference."""
    return {
        f"{side}{end}": values
        for side in (A, B, DIFFERENCE)
        for end, values in zip(("", "_low", "_high"), ends[f"{side} {name}"], strict=True)
    }
