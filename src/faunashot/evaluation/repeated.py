"""Figures of systems that were trained several times, and differences between two of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.metrics import (
    FloatArray,
    counts_by,
    paired_codes,
    ratios_from_counts,
    scores_from_counts,
)
from faunashot.evaluation.uncertainty import Interval, bootstrap, group_codes


def repeated_intervals(
    runs: Sequence[pd.DataFrame],
    classes: Sequence[str],
    *,
    less: Sequence[pd.DataFrame] = (),
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Interval]:
    """Mean figures of several runs, such as one a seed, less those of others where given.

    Parameters
    ----------
    runs : of each the columns clip_id, group, label, predicted; all of the same clips.
    classes : every class that can be predicted.
    less : as many runs of the same clips, whose figures are taken away; run i of both belongs
        together.
    draws, level, seed : of the bootstrap.

    Returns
    -------
    dict
        ``accuracy``, ``macro_f1``, ``weighted_f1`` -> Interval: of the mean over runs when source
        recordings are drawn with replacement, the same for all runs and for both sides.

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
    counts = [_counts(run, order, classes) for run in (*runs, *less)]
    share = [1 / len(runs)] * len(runs) + [-1 / len(runs)] * len(less)

    def figures(times: FloatArray) -> dict[str, FloatArray]:
        each = [scores_from_counts(*(times @ of_run)) for of_run in counts]
        return {
            name: np.sum([w * found[name] for w, found in zip(share, each, strict=True)], axis=0)
            for name in each[0]
        }

    found = bootstrap(figures, counts[0].shape[1], n_draws=draws, level=level, seed=seed)
    return {name: Interval.of(ends) for name, ends in found.items()}


def repeated_per_class(runs: Sequence[pd.DataFrame], classes: Sequence[str]) -> pd.DataFrame:
    """Mean precision, recall and F1 of each class over several runs of the same clips.

    Returns
    -------
    DataFrame
        Columns label, precision, recall, f1, support.
    """
    order = runs[0].sort_values("clip_id")
    counts = [_counts(run, order, classes).sum(axis=1) for run in runs]
    each = [ratios_from_counts(*of_run) for of_run in counts]
    means = {name: np.mean([found[name] for found in each], axis=0) for name in each[0]}
    support = counts[0][1].astype(int)
    return pd.DataFrame({"label": list(classes), **means, "support": support})


def _counts(
    run: pd.DataFrame, order: pd.DataFrame, classes: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Counts of a run by source recording, (3, G, C)."""
    run = run.sort_values("clip_id")
    if run["clip_id"].tolist() != order["clip_id"].tolist():
        raise ParameterError("runs: not of the same clips, each once")
    true, pred = paired_codes(run["label"], run["predicted"], classes)
    return counts_by(true, pred, group_codes(order["group"], len(order)), len(classes))
