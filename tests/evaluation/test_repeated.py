"""Figures of several runs together: means over runs, intervals over source recordings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from faunashot.errors import ParameterError
from faunashot.evaluation.metrics import scores
from faunashot.evaluation.repeated import repeated_intervals
from faunashot.evaluation.uncertainty import bootstrap_by_group

CLASSES = ["cat", "hen", "owl"]


def run(seed: int, *, right: float, n: int = 120) -> pd.DataFrame:
    """Clips of which a share is right, two a recording."""
    rng = np.random.default_rng(seed)
    label = np.array(CLASSES)[np.arange(n) % 3]
    predicted = np.where(rng.random(n) < right, label, rng.choice(CLASSES, n))
    ids = [f"{i:03d}" for i in range(n)]
    table = pd.DataFrame({"clip_id": ids, "group": [f"{i // 6}-{i % 3}" for i in range(n)]})
    return table.assign(label=label, predicted=predicted)


@pytest.fixture(scope="module")
def good() -> list[pd.DataFrame]:
    return [run(seed, right=0.8) for seed in range(3)]


def test_the_value_is_the_mean_over_runs(good):
    found = repeated_intervals(good, CLASSES)
    for name in ("accuracy", "macro_f1", "weighted_f1"):
        each = [scores(r["label"], r["predicted"], CLASSES)[name] for r in good]
        assert found[name].value == pytest.approx(np.mean(each))
        assert found[name].low < found[name].value < found[name].high


def test_one_run_has_the_interval_that_it_has_elsewhere(good):
    one = good[0]
    found = repeated_intervals([one], CLASSES, n_bootstrap=300)
    columns = (one["label"], one["predicted"], one["group"])
    assert found == bootstrap_by_group(*columns, CLASSES, n_bootstrap=300)


def test_the_order_of_clips_does_not_matter(good):
    turned = [good[0], good[1].iloc[::-1], good[2]]
    assert repeated_intervals(turned, CLASSES) == repeated_intervals(good, CLASSES)


def test_a_difference_is_paired_by_clips(good):
    worse = [table.copy() for table in good]
    for table in worse:
        table.loc[::10, "predicted"] = np.where(table.loc[::10, "label"] == "cat", "hen", "cat")
    found = repeated_intervals(good, CLASSES, less=worse)["accuracy"]
    apart = repeated_intervals(good, CLASSES)["accuracy"].value
    assert found.value == pytest.approx(
        apart - repeated_intervals(worse, CLASSES)["accuracy"].value
    )
    assert found.low > 0
    same = repeated_intervals(good, CLASSES, less=good)["accuracy"]
    assert same == pytest.approx((0, 0, 0), abs=1e-12)


def test_runs_of_other_clips_are_refused(good):
    other = good[0].assign(clip_id=good[0]["clip_id"] + "x")
    with pytest.raises(ParameterError, match="not of the same clips"):
        repeated_intervals([good[0], other], CLASSES)
    with pytest.raises(ParameterError, match="3 against 1; needs as many"):
        repeated_intervals(good, CLASSES, less=good[:1])
    with pytest.raises(ParameterError, match="0 against 0"):
        repeated_intervals([], CLASSES)
