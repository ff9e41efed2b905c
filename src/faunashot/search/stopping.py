"""When to stop labelling: what further labels are expected to gain, from the learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.decisions import Decisions
from faunashot.evaluation.episodes import ScoredEpisodes
from faunashot.evaluation.labels import FloatArray
from faunashot.evaluation.metrics import HEADLINE, metrics_for
from faunashot.evaluation.uncertainty import Interval, resampled
from faunashot.search.learning_curve import curve_draws

LEAST_POINTS = 3
"""Numbers of labels that a curve needs."""


@dataclass(frozen=True)
class Forecast:
    """What further labels are expected to gain.

    Attributes
    ----------
    labelled : int
        Labelled clips that there are.
    further : int
        Labels that would be added, spread over the classes as those before were.
    now, gain : Interval
        Macro-F1 that the curve has at `labelled`, and what the further labels add to it.
    limit : float
        Macro-F1 that the curve tends to.
    curve : DataFrame
        Columns labelled, macro_f1, fitted: what the curve was fitted to.
    """

    labelled: int
    further: int
    now: Interval
    gain: Interval
    limit: float
    curve: pd.DataFrame

    def verdict(self, worth: float) -> str:
        """Whether to go on where the further labels have to gain `worth` in macro-F1.

        ``stop`` where even the upper end of the interval is less, ``go on`` where the expected
        gain is as much, and ``open`` in between.
        """
        if self.gain.value >= worth:
            return "go on"
        return "stop" if self.gain.high is not None and self.gain.high < worth else "open"


def forecast(
    held_out: pd.DataFrame,
    classes: Sequence[str],
    *,
    labelled: int | None = None,
    further: int = 10,
    multi_label: bool = False,
    n_bootstrap: int = 2000,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> Forecast:
    """Read the gain of further labels off the curve of macro-F1 against labels.

    Parameters
    ----------
    held_out : DataFrame
        Scores of a few_shot run: columns k, labelled_least, episode, clip_id, group, label and
        ``p_<class>``.
    classes : sequence of str
    labelled : int, optional
        Labelled clips that there are; those of the largest k that was scored if not given.
    further : int
        How many would be added.
    multi_label : bool
        Whether a label holds several class names.
    n_bootstrap, confidence_level, seed : int, float, int
        Of the intervals.

    Raises
    ------
    ParameterError
        Fewer than three numbers of labels were scored, or in a single episode.

    Notes
    -----
    The curve is a power law and what it is short of the truth (`learning_curve.curve_draws`). The
    errors of its scores are those of source recordings and episodes that are drawn with
    replacement, the same for every k. A k at which a class has run out of clips is left out, as
    fewer than k clips of each class were learned there, where three others remain.

    The interval is of the gain that is expected, over draws of the labels: those of one person
    gain more or less.

    References
    ----------
    C. Cortes, L. D. Jackel, S. A. Solla, V. Vapnik, J. S. Denker. Learning curves: asymptotic
    values and rate of convergence. NIPS 1993.
    R. L. Figueroa, Q. Zeng-Treitler, S. Kandula, L. H. Ngo. Predicting sample size required for
    classification performance. BMC Medical Informatics and Decision Making 12, 2012.
    """
    ks = sorted(int(k) for k in held_out["k"].unique() if k > 0)
    if len(ks) < LEAST_POINTS:
        raise ParameterError(
            f"a learning curve needs {LEAST_POINTS} numbers of labelled clips or more, and this "
            f"run has {len(ks)}: dvc exp run -S protocol.name=few_shot -S "
            "'protocols.few_shot.k_values=[1,2,3,5,7,10]'"
        )
    now = ks[-1] * len(classes) if labelled is None else labelled
    ks = _with_every_class(held_out, ks)
    at = np.array(ks, dtype=np.float64) * len(classes)
    decide = Decisions(classes, multi_label=multi_label)
    scored = [
        ScoredEpisodes.of_table(
            _taken_for(held_out[held_out["k"] == k], decide), classes, multi_label=multi_label
        )
        for k in ks
    ]
    metrics = {HEADLINE: metrics_for(multi_label=multi_label, of="labels")[HEADLINE]}

    def figures(times: FloatArray, episodes: FloatArray) -> dict[str, FloatArray]:
        curves = [one.values(metrics, times, episodes)[HEADLINE] for one in scored]
        return {HEADLINE: np.stack(curves, axis=1)}

    value, draws = resampled(
        figures,
        scored[0].n_recordings,
        n_episodes=scored[0].n_episodes,
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    curve = value[HEADLINE][0]
    known = scored[0].n_recordings > 1  # one says nothing of how much they differ
    covariance = np.cov(draws[HEADLINE], rowvar=False) if known else np.zeros((len(at), len(at)))
    true = curve_draws(
        at,
        curve,
        covariance=covariance,
        at=np.array([*at, now, now + further]),
        seed=seed,
    )

    def interval(of: FloatArray) -> Interval:
        found = Interval.of(true.ends(of, confidence_level=confidence_level))
        return found if known else Interval(found.value, None, None)

    fitted = true.weights @ true.values[:, : len(at)]
    return Forecast(
        now,
        further,
        interval(true.values[:, -2]),
        interval(true.values[:, -1] - true.values[:, -2]),
        float(true.weights @ true.limit),
        pd.DataFrame({"labelled": at.astype(int), HEADLINE: curve, "fitted": fitted}),
    )


def _with_every_class(held_out: pd.DataFrame, ks: list[int]) -> list[int]:
    """Those k of which every class had as many clips, where they are enough for a curve."""
    least = held_out.groupby("k")["labelled_least"].min()
    full = [k for k in ks if least[k] >= k]
    return full if len(full) >= LEAST_POINTS else ks


def _taken_for(table: pd.DataFrame, decide: Decisions) -> pd.DataFrame:
    """Scored clips in one order for every k, with the label that each was taken for."""
    ordered = table.sort_values(["episode", "clip_id"], ignore_index=True)
    return decide.clips(ordered)
