"""How often the intervals of `faunashot validate` hold the truth, in simulated validations.

    python benchmarks/validation.py [--simulations 1000] [--checks 60] [--workers 2] [TRUTH ...]

prints JSON, a row for each kind of truth. In each simulation a class gets detections with scores,
and each of them is right or wrong as the truth has it; checks are drawn by `draw_checks`, and the
curve is fitted to the answers. The truth that an interval should hold is the share of right ones
among the detections at hand, or for the curve the chance at a score.

Columns: `precision`, how often the interval of the precision holds the truth, at a threshold that
was fixed before (drawn among the lower three quarters of the scores); `chosen`, the same at the
threshold that was found for a precision of 0.8, where one was; `threshold`, how often the interval
of that threshold holds the true one; `curve`, how often the interval of the chance holds it, over
ten scores; `wilson`, Wilson's interval of the weighted share at the effective sample size, at the
fixed threshold; `width` and `wilson_width`, of both; `planned`, what `faunashot validate plan`
expects of the width, told the true precision.

Truths: `logistic`, as the fit has it; `flat`, the score says nothing; `good`, nearly all are right;
`rare`, 60 to 250 detections of which few are right; `plateau`, high scores are right in a part of
the cases only; `step`, nothing below a score and nearly all above it; `dip`, a second species has
scores of its own; `clustered`, right and wrong by recording, of which there are twenty.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from faunashot.annotations.table import as_table
from faunashot.detection.validation.drawing import CHECK, STRATUM, Drawn, draw_checks
from faunashot.detection.validation.planning import Expected, wilson
from faunashot.evaluation.precision_curve import PrecisionCurve

WISHED = 0.8
RECORDINGS = 20
Z = 1.96

Truth = Callable[[np.ndarray, np.random.Generator], np.ndarray]

TRUTHS: dict[str, Truth] = {
    "logistic": lambda z, r: r.normal(0.5, 1.5) + r.uniform(0.2, 2) * z,
    "flat": lambda z, r: np.full(len(z), r.normal(1, 1.5)),
    "good": lambda z, r: r.normal(3, 0.7) + r.uniform(0.2, 1.5) * z,
    "rare": lambda z, r: r.normal(-2, 1) + r.uniform(0.2, 2) * z,
    "plateau": lambda z, r: logit(r.uniform(0.5, 0.95) * expit(r.normal(0.5, 1) + 2 * z)),
    "step": lambda z, r: logit(
        np.where(z < r.normal(0, 0.8), r.uniform(0.02, 0.4), r.uniform(0.6, 0.99))
    ),
    "dip": lambda z, r: (
        r.normal(1, 1) + z - 2.5 * np.exp(-np.square((z - r.normal(1, 0.4)) / 0.3) / 2)
    ),
    "clustered": lambda z, r: (
        r.normal(0.5, 1)
        + r.uniform(0.2, 2) * z
        + r.normal(0, 2, RECORDINGS)[r.integers(0, RECORDINGS, len(z))]
    ),
}
"""Log odds of being right, from standardised logits of the scores."""


def simulated(name: str, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Detections by rising score, whether each is right, and the chance that it is."""
    fewest, most = (60, 250) if name == "rare" else (150, 3000)
    n = int(np.exp(rng.uniform(np.log(fewest), np.log(most))))
    centre, spread = rng.normal(0, 0.8), rng.uniform(0.8, 2)
    odds = np.sort(np.clip(rng.normal(centre, spread, n), -6.9, 6.9))
    chance = expit(TRUTHS[name]((odds - centre) / spread, rng))
    start_s = np.arange(n, dtype=np.float64)  # by which the order stays
    events = pd.DataFrame({"file": "a.wav", "start_s": start_s, "end_s": start_s + 1})
    events["label"], events["score"] = "owl", expit(odds)
    return as_table(events), rng.random(n) < chance, chance


def simulate(name: str, number: int, *, checks: int) -> dict[str, float | None]:
    """Which intervals of one simulated validation hold the truth, and how wide they are."""
    rng = np.random.default_rng([list(TRUTHS).index(name), number])
    events, right, chance = simulated(name, rng)
    score = events["score"].to_numpy()
    drawn = draw_checks(events, checks, seed=number)
    checked = drawn.detections[CHECK].to_numpy() != ""
    curve = PrecisionCurve(score[checked], right[checked], among=score, seed=number)
    threshold = float(rng.choice(score[: 3 * len(score) // 4]))
    above = score >= threshold
    found, truth = curve.above(threshold), right[above].mean()
    low, high = weighted(drawn, right, above)
    row: dict[str, float | None] = {
        "precision": holds(truth, found.low, found.high),
        "width": (found.high or 0) - (found.low or 0),
        "wilson": holds(truth, low, high),
        "wilson_width": high - low,
        "curve": None,
    }
    guess = min(max(truth, 0.5 / above.sum()), 1 - 0.5 / above.sum())
    expected = Expected(guess, scores=score, threshold=threshold)
    row["planned"] = 2 * expected.of(int(checked.sum())).half_width
    if name != "clustered":  # where the chance at a score is no one number
        at = np.linspace(0.05, 0.95, 10)
        _, lows, highs = curve.at(np.quantile(score, at))
        true = np.interp(np.quantile(score, at), score, chance)
        row["curve"] = float(((lows <= true) & (true <= highs)).mean())
    chosen = curve.threshold(WISHED)
    if chosen is not None:
        found = curve.above(chosen.value)
        row["chosen"] = holds(right[score >= chosen.value].mean(), found.low, found.high)
    shares = right[::-1].cumsum()[::-1] / np.arange(len(right), 0, -1)
    reached = np.flatnonzero(shares >= WISHED)
    if chosen is not None and len(reached):
        row["threshold"] = holds(
            score[reached[0]], chosen.low if chosen.low is not None else 1, chosen.high or 1
        )
    return row


def holds(truth: float, low: float | None, high: float | None) -> float:
    """Whether an interval holds the truth, but for rounding."""
    assert low is not None
    assert high is not None
    return float(low - 1e-9 <= truth <= high + 1e-9)


def weighted(drawn: Drawn, right: np.ndarray, above: np.ndarray) -> tuple[float, float]:
    """Wilson's interval of the share above a threshold, weighted by strata."""
    checked = drawn.detections[CHECK].to_numpy() != ""
    stratum = drawn.detections[STRATUM].to_numpy()
    share = error = 0.0
    for number in np.unique(stratum[above & checked]):
        inside = above & (stratum == number)
        n, size = int((inside & checked).sum()), int(inside.sum())
        share += size / above.sum() * right[inside & checked].mean()
        error += (size / above.sum()) ** 2 / n * (1 - n / size)
    return wilson(min(share, 1.0), 1 / max(error, 1e-12), Z)


def main() -> None:
    """Simulate, and print how often intervals hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("truths", nargs="*", help="all if not given")
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--checks", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(given.workers) as pool:
        for name in given.truths or TRUTHS:
            one = partial(simulate, name, checks=given.checks)
            found = pd.DataFrame(pool.map(one, range(given.simulations), chunksize=20))
            means = {key: round(float(found[key].mean()), 4) for key in found if found[key].any()}
            chosen = int(found["chosen"].notna().sum()) if "chosen" in found else 0
            rows.append({"truth": name, "simulations": len(found), **means, "chosen_in": chosen})
    both = pd.DataFrame(rows)
    mean = {key: round(float(both[key].mean()), 4) for key in ("precision", "chosen", "curve")}
    print(json.dumps({"checks": given.checks, "truths": rows, "mean": mean}, indent=1))


if __name__ == "__main__":
    main()
