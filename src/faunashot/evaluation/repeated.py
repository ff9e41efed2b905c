"""Figures of systems that were trained several times, and differences between two of them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.episodes import ScoredEpisodes, differences
from faunashot.evaluation.metrics import metrics_for
from faunashot.evaluation.uncertainty import Interval, bootstrap


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
        and runs are drawn with replacement, the same for both sides (`uncertainty.bootstrap`).

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
    metrics = metrics_for(of="labels")
    sides = [_scored(side, order, classes) for side in (runs, less) if side]
    figures = (
        differences(*sides, metrics=metrics)
        if less
        else lambda times, repeats: sides[0].values(metrics, times, repeats)
    )
    found = bootstrap(
        figures,
        sides[0].n_recordings,
        n_episodes=len(runs),
        centred=metrics,
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        seed=seed,
    )
    return {name: Interval.of(found[name]) for name in metrics}


def _scored(
    runs: Sequence[pd.DataFrame], order: pd.DataFrame, classes: Sequence[str]
) -> ScoredEpisodes:
    """Clips of several runs in the given order, each run an episode."""
    tables = []
    for number, run in enumerate(runs):
        table = run.sort_values("clip_id")
        if table["clip_id"].tolist() != order["clip_id"].tolist():
            raise ParameterError("runs: not of the same clips, each once")
        tables.append(table.assign(episode=number, group=order["group"].to_numpy()))
    return ScoredEpisodes.of_table(pd.concat(tables), classes)
