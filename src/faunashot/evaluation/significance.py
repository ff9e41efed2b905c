"""Whether one run is better than another: paired tests, intervals of the difference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.figures import episode_scores
from faunashot.evaluation.labels import FloatArray
from faunashot.evaluation.metrics import HEADLINE, metric_values, metrics_for
from faunashot.evaluation.metrics.base import Metric
from faunashot.evaluation.metrics.macro_f1 import macro_f1
from faunashot.evaluation.scored import Counts, ScoredClips
from faunashot.evaluation.uncertainty import Interval, bootstrap, group_codes, paired_difference

PERMUTATIONS = 10_000
_BATCH = 1000


class Difference(NamedTuple):
    """First run minus second.

    Attributes
    ----------
    figures : dict of str to Interval
        Every metric of labels by name, with its interval.
    p_value : float
        Of the permutation test on macro-F1.
    p_mcnemar : float or None
        Of McNemar's test; None where clips were scored in several episodes, or carry several
        labels.
    """

    figures: dict[str, Interval]
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
        Columns episode (-1 where nothing is drawn), clip_id, label, predicted; group, which
        only that of `a` needs, and only without episodes.
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
        If the runs do not have the same episodes, or without episodes the same clips.

    Notes
    -----
    Where episodes were drawn, they are the pairs: the interval is that of the paired t test, the
    permutation test flips their signs. Both are about the draw of labelled clips, not about other
    recordings, as episodes share those they are scored on. Elsewhere source recordings are the
    pairs: both runs are bootstrapped by the same draws, and the test swaps what the two predicted
    of a recording.
    """
    if (a["episode"] >= 0).any():
        first, second = (episode_scores(run, classes, multi_label=multi_label) for run in (a, b))
        if not first.index.equals(second.index):
            raise ParameterError(f"b: {len(second)} episodes, not the {len(first)} of a")
        figures = {
            str(name): paired_difference(values, second[name], confidence_level=confidence_level)
            for name, values in first.items()
        }
        gaps = (first[HEADLINE] - second[HEADLINE]).to_numpy()
        return Difference(figures, sign_flip_p(gaps, n_permutations, seed=seed), None)
    one, two = a.set_index("clip_id").sort_index(), b.set_index("clip_id").sort_index()
    if not one.index.is_unique or not one.index.equals(two.index):
        raise ParameterError("b: not the clips of a, each once")
    part = group_codes(one["group"], len(one))
    clips = [
        ScoredClips.of_labels(
            one["label"], run["predicted"], classes, part=part, multi_label=multi_label
        )
        for run in (one, two)
    ]
    figures = bootstrap_difference(
        *clips,
        metrics=metrics_for(multi_label=multi_label, of="labels"),
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        seed=seed,
    )
    right = [(each.predicted & each.targets).any(axis=1) for each in clips]
    return Difference(
        figures,
        p_value=swap_p(
            *(c.counts_by_part for c in clips), n_permutations=n_permutations, seed=seed
        ),
        p_mcnemar=None if multi_label else mcnemar_p(*right),
    )


def bootstrap_difference(
    a: ScoredClips,
    b: ScoredClips,
    *,
    metrics: Mapping[str, Metric],
    n_bootstrap: int,
    confidence_level: float,
    seed: int,
) -> dict[str, Interval]:
    """Difference of metrics, a - b, when the same recordings are drawn for both.

    Parameters
    ----------
    a, b : ScoredClips
        The same clips in both, whose parts are recordings.
    """

    def difference(times: FloatArray) -> dict[str, FloatArray]:
        first, second = (metric_values(metrics, run.weighted(times)) for run in (a, b))
        return {name: first[name] - second[name] for name in metrics}

    found = bootstrap(
        difference,
        a.n_parts,
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        seed=seed,
    )
    return {name: Interval.of(ends) for name, ends in found.items()}


def sign_flip_p(differences: FloatArray, n_permutations: int = PERMUTATIONS, *, seed: int) -> float:
    """Two-sided p-value of a mean difference: as often is it as large when signs are chance.

    All signs are tried where there are no more than `n_permutations` of them, else so many draws.
    """
    nonzero = differences[differences != 0]

    def total(signs: FloatArray, axis: int) -> FloatArray:
        return np.asarray(signs @ nonzero)

    return _permuted(total, nonzero.size, n_permutations, seed=seed)


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
