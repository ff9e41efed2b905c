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
from faunashot.evaluation.uncertainty import Interval, bootstrap

LEAST_POINTS = 3
"""Numbers of labels that a curve of three parameters needs."""

EXPONENTS = np.geomspace(0.05, 2.0, 60)
"""Of the power law that are tried: for each the other two parameters follow at once."""

GAIN, NOW, LIMIT = "gain", "now", "limit"


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
    """Fit an inverse power law to macro-F1 against labels, and read the gain off it.

    Parameters
    ----------
    held_out : DataFrame
        Scores of a few_shot run: columns k, episode, clip_id, group, label and ``p_<class>``.
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
    The curve is a - b n^-c with 0 <= b and a <= 1, fitted by least squares. The interval is the
    percentile interval of the gain when source recordings and episodes are drawn with replacement,
    the same for every k, and the curve is fitted anew to each draw.

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
    at = np.array(ks, dtype=np.float64) * len(classes)
    now = int(at[-1]) if labelled is None else labelled
    decide = Decisions(classes, multi_label=multi_label)
    scored = [
        ScoredEpisodes.of_table(
            _taken_for(held_out[held_out["k"] == k], decide), classes, multi_label=multi_label
        )
        for k in ks
    ]
    metrics = {HEADLINE: metrics_for(multi_label=multi_label, of="labels")[HEADLINE]}
    fits: list[FloatArray] = []

    def figures(times: FloatArray, episodes: FloatArray) -> dict[str, FloatArray]:
        curves = np.stack([one.values(metrics, times, episodes)[HEADLINE] for one in scored], 1)
        law = fit_power_law(at, curves)
        fits.append(law)
        return {
            GAIN: power_law(law, now + further) - power_law(law, now),
            NOW: power_law(law, now),
            LIMIT: law[:, 0],
        }

    found = bootstrap(
        figures,
        scored[0].n_recordings,
        n_episodes=scored[0].n_episodes,
        centred=[GAIN, NOW],
        n_bootstrap=n_bootstrap,
        confidence_level=confidence_level,
        seed=seed,
    )
    whole = np.ones((1, scored[0].n_recordings)), np.ones((1, scored[0].n_episodes))
    curve = [float(one.values(metrics, *whole)[HEADLINE][0]) for one in scored]
    fitted = power_law(fits[0], at[:, None])[:, 0]
    return Forecast(
        now,
        further,
        Interval.of(found[NOW]),
        Interval.of(found[GAIN].clip(min=0)),  # the curve never falls
        float(found[LIMIT][0]),
        pd.DataFrame({"labelled": at.astype(int), HEADLINE: curve, "fitted": fitted}),
    )


def fit_power_law(n: FloatArray, curves: FloatArray) -> FloatArray:
    """Fit a - b n^-c to curves by least squares, b not negative and a at most 1.

    Parameters
    ----------
    n : ndarray, shape (K,)
        Labelled clips.
    curves : ndarray, shape (D, K)
        Scores of D curves.

    Returns
    -------
    ndarray, shape (D, 3)
        a, b and c of each.
    """
    best = np.full(len(curves), np.inf)
    law = np.zeros((len(curves), 3))
    mean = curves.mean(axis=1)
    for c in EXPONENTS:
        x = n**-c
        centred = x - x.mean()
        b = np.maximum(-(curves @ centred) / (centred @ centred), 0.0)
        a = mean + b * x.mean()
        above = a > 1  # through 1 at infinity, the best b is that of a line through one point
        b = np.where(above, np.maximum((1 - curves) @ x / (x @ x), 0.0), b)
        a = np.where(above, 1.0, a)
        error = ((curves - (a[:, None] - b[:, None] * x)) ** 2).sum(axis=1)
        better = error < best
        law[better] = np.stack([a, b, np.full_like(a, c)], axis=1)[better]
        best = np.minimum(best, error)
    return law


def power_law(law: FloatArray, n: FloatArray | float) -> FloatArray:
    """Value of each fitted curve at n labelled clips."""
    return np.asarray(law[:, 0] - law[:, 1] * np.asarray(n, dtype=np.float64) ** -law[:, 2])


def _taken_for(table: pd.DataFrame, decide: Decisions) -> pd.DataFrame:
    """Scored clips in one order for every k, with the label that each was taken for."""
    ordered = table.sort_values(["episode", "clip_id"], ignore_index=True)
    return decide.clips(ordered)
