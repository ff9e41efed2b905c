"""Figures of systems that were trained several times, and differences between two of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.labels import FloatArray
from faunashot.evaluation.metrics import metric_values, metrics_for
from faunashot.evaluation.scored import ScoredClips
from faunashot.evaluation.uncertainty import Interval, bootstrap, group_codes


def repeated_intervals(
    runs: Sequence[pd.DataFrame],
    classes: Sequence[str],
    *,
    less: Sequence[pd.DataFrame] = (),
    n_bootstrap: int = 2000,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Mean figures of several runs, such as one a seed, less those of others where given.

    Parameters
    ----------
    runs : sequence of DataFrame
        Of each the columns clip_id, group, label, predicted; all of the same clips.
    classes : sequence of str
        Every class that can be predicted.
    less : sequence of DataFrame
        As many runs of the same clips, whose figures are taken away; run i of both belongs
        together.
    n_bootstrap, confidence_level, seed : int, float, int
        Of the bootstrap.

    Returns
    -------
    dict
        Each metric of labels by name -> Interval: of the mean over runs when source recordings
        are drawn with replacement, the same for all runs and for both sides.

    Raises
    ------
    ParameterError
        There is no run, or they are not of the same clips.
    """
    if not runs or (less and len(less) != len(runs)):
        raise ParameterError(
            f"runs: {len(runs)} against {len(less)}; needs as many, and one at least"
        )
    order = runs[0].sort_values("clip_id")
    scored = [_scored(run, order, classes) for run in (*runs, *less)]
    share = [1 / len(runs)] * len(runs) + [-1 / len(runs)] * len(less)
    metrics = metrics_for(of="labels")

    def figures(times: FloatArray) -> dict[str, FloatArray]:
        each = [metric_values(metrics, clips.weighted(times)) for clips in scored]
        return {
            name: np.sum([w * found[name] for w, found in zip(share, each, strict=True)], axis=0)
            for name in metrics
        }

    found = bootstrap(
        figures,
        scored[0].n_parts,
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        seed=seed,
    )
    return {name: Interval.of(ends) for name, ends in found.items()}


def _scored(run: pd.DataFrame, order: pd.DataFrame, classes: Sequence[str]) -> ScoredClips:
    """Clips of a run in the given order, by source recording."""
    run = run.sort_values("clip_id")
    if run["clip_id"].tolist() != order["clip_id"].tolist():
        raise ParameterError("runs: not of the same clips, each once")
    part = group_codes(order["group"], len(order))
    return ScoredClips.of_labels(run["label"], run["predicted"], classes, part=part)
