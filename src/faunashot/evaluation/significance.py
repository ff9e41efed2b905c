"""Whether one run is better than another: paired tests, intervals of the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.episodes import ScoredEpisodes, differences
from faunashot.evaluation.labels import FloatArray
from faunashot.evaluation.metrics import HEADLINE, metrics_for
from faunashot.evaluation.metrics.macro_f1 import macro_f1
from faunashot.evaluation.scored import Counts
from faunashot.evaluation.uncertainty import Interval, paired_difference, percentiles, resampled

PERMUTATIONS = 10_000
_BATCH = 1000


class Difference(NamedTuple):
    """First run minus second.

    Attributes
    ----------
    figures : dict of str to Interval
        Every metric of labels by name, with the interval over recordings and episodes together.
    draws : dict of str to Interval
        The same with the interval of the paired t test over episodes, which is about draws of
        labelled clips alone; empty where there is no second episode.
    p_value : float
        Of macro-F1.
    p_mcnemar : float or None
        Of McNemar's test; None where clips were scored in several episodes, or carry several
        labels.
    """

    figures: dict[str, Interval]
    draws: dict[str, Interval]
    p_value: float
    p_mcnemar: float | None

    @property
    def macro_f1(self) -> Interval:
        """Of the metric that systems are compared by."""
        return self.figures[HEADLINE]


def paired_runs(
    a: pd.DataFrame,
    b: pd.DataFrame,
    classes: Sequence[str],
    *,
    multi_label: bool = False,
    confidence_level: float = 0.95,
    n_bootstrap: int = 2000,
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Difference:
    """Compare two runs by what each predicted of the same clips.

    Parameters
    ----------
    a, b : DataFrame
        Columns episode (-1 where nothing is drawn), clip_id, label, predicted, and group, which
        that of `b` need not have.
    classes : sequence of str
        Every class that can be predicted.
    multi_label : bool
        Whether labels are class names joined.
    confidence_level : float
        Of the intervals.
    n_bootstrap, n_permutations : int
        Draws of the bootstrap and of the permutation test.
    seed : int
        Of both.

    Raises
    ------
    ParameterError
        If the runs do not have the same episodes and in them the same clips.

    Notes
    -----
    Intervals are by `uncertainty.bootstrap`: the same recordings, and where there are several
    episodes the same episodes, are drawn for both runs. The p-value of a single episode, or where
    nothing is drawn, is that of a permutation test, which swaps what the two predicted of a
    recording. That of several inverts the interval, as no permutation is exact for recordings and
    episodes at once; it is no smaller than flipped signs of so many recordings or episodes allow.

    References
    ----------
    Davison and Hinkley, *Bootstrap Methods and their Application*, 1997, section 4.4.
    """
    one, two = (run.sort_values(["episode", "clip_id"]) for run in (a, b))
    episodes = [run["episode"].unique().tolist() for run in (one, two)]
    if episodes[0] != episodes[1]:
        raise ParameterError(f"b: {len(episodes[1])} episodes, not the {len(episodes[0])} of a")
    ids = [run[["episode", "clip_id"]].to_numpy().tolist() for run in (one, two)]
    if ids[0] != ids[1] or one.duplicated(["episode", "clip_id"]).any():
        raise ParameterError("b: not the clips of a, each once")
    other = one.assign(predicted=two["predicted"].to_numpy())
    runs = [ScoredEpisodes.of_table(run, classes, multi_label=multi_label) for run in (one, other)]
    metrics = metrics_for(multi_label=multi_label, of="labels")
    value, draws = resampled(
        differences(*runs, metrics=metrics),
        runs[0].n_recordings,
        n_episodes=runs[0].n_episodes,
        centred=metrics,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    ends = percentiles(value, draws, confidence_level=confidence_level)
    figures = {name: Interval.of(ends[name]) for name in metrics}
    counts = [run.clips.counts_by_part for run in runs]
    if runs[0].n_episodes > 1:
        each = [run.by_episode(metrics) for run in runs]
        alone = {
            name: paired_difference(*(run[name] for run in each), confidence_level=confidence_level)
            for name in metrics
        }
        differ = (counts[0] != counts[1]).any(axis=(0, 2))
        units = [np.unique(of[differ]).size for of in (runs[0].recording, runs[0].episode)]
        p = inverted_p(draws[HEADLINE], n_units=min(units))
        return Difference(figures, alone, p, None)
    right = [(run.clips.predicted & run.clips.targets).any(axis=1) for run in runs]
    return Difference(
        figures,
        {},
        swap_p(*counts, n_permutations=n_permutations, seed=seed),
        None if multi_label else mcnemar_p(*right),
    )


def inverted_p(draws: FloatArray, *, n_units: int) -> float:
    """Two-sided p-value from draws of a difference: the level whose interval ends at 0.

    Parameters
    ----------
    draws : ndarray, shape (D,)
        NaN where one says nothing.
    n_units : int
        Recordings or episodes that differ, whichever are fewer: of so many, flipped signs allow
        no p-value below 2 ** (1 - n_units).
    """
    known = draws[~np.isnan(draws)]
    if not known.size or n_units < 1:
        return 1.0
    beyond = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, max(2 * (beyond + 1) / (known.size + 1), 2.0 ** (1 - n_units))))


def swap_p(
    counts_a: FloatArray, counts_b: FloatArray, *, n_permutations: int = PERMUTATIONS, seed: int
) -> float:
    """Two-sided p-value of a difference of macro-F1, by swapping the runs within recordings.

    Parameters
    ----------
    counts_a, counts_b : ndarray, shape (3, G, C)
        Of both runs by recording (`scored.counts_by`).
    """
    differs = (counts_a != counts_b).any(axis=(0, 2))
    gaps = (counts_b - counts_a)[:, differs]
    totals = counts_a.sum(axis=1, keepdims=True), counts_b.sum(axis=1, keepdims=True)

    def difference(signs: FloatArray, axis: int) -> FloatArray:
        swapped = (1 - np.atleast_2d(signs)) / 2 @ gaps
        first = macro_f1(Counts(*(totals[0] + swapped)))
        second = macro_f1(Counts(*(totals[1] - swapped)))
        return (first - second).reshape(signs.shape[:-1])

    return _permuted(difference, int(differs.sum()), n_permutations, seed=seed)


def mcnemar_p(a_right: npt.ArrayLike, b_right: npt.ArrayLike) -> float:
    """Exact two-sided p-value of McNemar's test: of the clips that one run alone has right.

    It takes clips for independent of one another, which those of one recording are not.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 1947.
    """
    first, second = np.asarray(a_right, dtype=bool), np.asarray(b_right, dtype=bool)
    discordant = int((first != second).sum())
    if not discordant:
        return 1.0
    from scipy.stats import binomtest  # takes a second to import

    return float(binomtest(int((first & ~second).sum()), discordant).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for there being several, so that one false alarm in all keeps its level.

    References
    ----------
    Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 1979.
    """
    given = np.asarray(p_values, dtype=np.float64)
    order = given.argsort()
    raised = np.maximum.accumulate(given[order] * np.arange(given.size, 0, -1)).clip(max=1)
    corrected = np.empty_like(given)
    corrected[order] = raised
    return [float(p) for p in corrected]


def _permuted(
    statistic: Callable[[FloatArray, int], FloatArray],
    n_pairs: int,
    n_permutations: int,
    *,
    seed: int,
) -> float:
    """P-value of a statistic of signs, shape (..., pairs), all of them + in what was observed."""
    if n_pairs < 2:  # both signs of a single pair are as far from 0
        return 1.0
    from scipy.stats import permutation_test  # takes a second to import

    test = permutation_test(
        (np.ones(n_pairs),),
        statistic,
        permutation_type="samples",
        vectorized=True,
        n_resamples=n_permutations,
        batch=_BATCH,
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)
