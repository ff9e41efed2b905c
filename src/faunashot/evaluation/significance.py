"""Whether one run is better than another: paired tests, intervals of the difference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from faunashot.errors import ParameterError
from faunashot.evaluation.figures import episode_scores
from faunashot.evaluation.metrics import FloatArray, counts_by, paired_codes, scores_from_counts
from faunashot.evaluation.uncertainty import Interval, bootstrap, group_codes, paired_difference

PERMUTATIONS = 10_000
_BATCH = 1000


class Difference(NamedTuple):
    """First run minus second.

    Attributes
    ----------
    macro_f1, accuracy : with their intervals.
    p_value : of the permutation test on macro-F1.
    p_mcnemar : of McNemar's test, None where clips were scored in several episodes.
    """

    macro_f1: Interval
    accuracy: Interval
    p_value: float
    p_mcnemar: float | None


def paired_runs(
    a: pd.DataFrame,
    b: pd.DataFrame,
    classes: Sequence[str],
    *,
    level: float = 0.95,
    draws: int = 2000,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Difference:
    """Compare two runs by what each said of the same clips.

    Parameters
    ----------
    a, b : columns episode (-1 where nothing is drawn), clip_id, label, predicted; group, which
        only that of `a` needs, and only without episodes.
    classes : every class that can be predicted.
    level : confidence of the intervals.
    draws, permutations : of the bootstrap and of the permutation test.
    seed : of both.

    Raises
    ------
    ParameterError
        If the runs do not have the same episodes, or without episodes the same clips.

    Notes
    -----
    Where episodes were drawn, they are the pairs: the interval is that of the paired t test, the
    permutation test flips their signs. Both are about the draw of labelled clips, not about other
    recordings, as episodes share those they are scored on. Elsewhere source recordings are the
    pairs: both runs are bootstrapped by the same draws, and the test swaps what the two said of a
    recording.
    """
    if (a["episode"] >= 0).any():
        first, second = episode_scores(a, classes), episode_scores(b, classes)
        if not first.index.equals(second.index):
            raise ParameterError(f"b: {len(second)} episodes, not the {len(first)} of a")
        accuracy = paired_difference(first["accuracy"], second["accuracy"], level=level)
        macro_f1 = paired_difference(first["macro_f1"], second["macro_f1"], level=level)
        gaps = (first["macro_f1"] - second["macro_f1"]).to_numpy()
        return Difference(macro_f1, accuracy, sign_flip_p(gaps, permutations, seed=seed), None)
    one, two = a.set_index("clip_id").sort_index(), b.set_index("clip_id").sort_index()
    if not one.index.is_unique or not one.index.equals(two.index):
        raise ParameterError("b: not the clips of a, each once")
    truth = one["label"]
    group = group_codes(one["group"], len(one))
    true, pred_a = paired_codes(truth, one["predicted"], classes)
    _, pred_b = paired_codes(truth, two["predicted"], classes)
    counts = [counts_by(true, pred, group, len(classes)) for pred in (pred_a, pred_b)]
    ends = bootstrap_difference(*counts, draws=draws, level=level, seed=seed)
    return Difference(
        macro_f1=ends["macro_f1"],
        accuracy=ends["accuracy"],
        p_value=swap_p(*counts, permutations=permutations, seed=seed),
        p_mcnemar=mcnemar_p(pred_a == true, pred_b == true),
    )


def bootstrap_difference(
    counts_a: FloatArray, counts_b: FloatArray, *, draws: int, level: float, seed: int
) -> dict[str, Interval]:
    """Difference of the figures of labels, a - b, when the same recordings are drawn for both.

    Parameters
    ----------
    counts_a, counts_b : of both runs by recording, shape (3, G, C) (`metrics.counts_by`).
    """

    def difference(times: FloatArray) -> dict[str, FloatArray]:
        first, second = (scores_from_counts(*(times @ c)) for c in (counts_a, counts_b))
        return {name: first[name] - second[name] for name in first}

    found = bootstrap(difference, counts_a.shape[1], n_draws=draws, level=level, seed=seed)
    return {name: Interval.of(ends) for name, ends in found.items()}


def sign_flip_p(differences: FloatArray, permutations: int = PERMUTATIONS, *, seed: int) -> float:
    """Two-sided p-value of a mean difference: as often is it as large when signs are chance.

    All signs are tried where there are no more than `permutations` of them, else so many draws.
    """
    said = differences[differences != 0]

    def total(signs: FloatArray, axis: int) -> FloatArray:
        return np.asarray(signs @ said)

    return _permuted(total, said.size, permutations, seed=seed)


def swap_p(
    counts_a: FloatArray, counts_b: FloatArray, *, permutations: int = PERMUTATIONS, seed: int
) -> float:
    """Two-sided p-value of a difference of macro-F1, by swapping the runs within recordings.

    Parameters
    ----------
    counts_a, counts_b : of both runs by recording, shape (3, G, C) (`metrics.counts_by`).
    """
    differs = (counts_a != counts_b).any(axis=(0, 2))
    gaps = (counts_b - counts_a)[:, differs]
    totals = counts_a.sum(axis=1, keepdims=True), counts_b.sum(axis=1, keepdims=True)

    def difference(signs: FloatArray, axis: int) -> FloatArray:
        swapped = (1 - np.atleast_2d(signs)) / 2 @ gaps
        first = scores_from_counts(*(totals[0] + swapped))
        second = scores_from_counts(*(totals[1] - swapped))
        return (first["macro_f1"] - second["macro_f1"]).reshape(signs.shape[:-1])

    return _permuted(difference, int(differs.sum()), permutations, seed=seed)


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
    return float(stats.binomtest(int((first & ~second).sum()), discordant).pvalue)


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
    permutations: int,
    *,
    seed: int,
) -> float:
    """P-value of a statistic of signs, shape (..., pairs), all of them + in what was observed."""
    if n_pairs < 2:  # both signs of a single pair are as far from 0
        return 1.0
    test = stats.permutation_test(
        (np.ones(n_pairs),),
        statistic,
        permutation_type="samples",
        vectorized=True,
        n_resamples=permutations,
        batch=_BATCH,
        rng=np.random.default_rng(seed),
    )
    return float(test.pvalue)
