"""The learning curve that says when to stop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from faunashot.errors import ParameterError
from faunashot.evaluation.uncertainty import Interval
from faunashot.search.stopping import Forecast, forecast

CLASSES = ["frog", "owl"]


def run(
    k_values: tuple[int, ...] = (1, 2, 4, 8),
    *,
    episodes: int = 8,
    n: int = 40,
    fewest: int = 99,
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of clips, of which so many are right as the law 0.95 - 0.4 labels^-0.5 says."""
    rng = np.random.default_rng(seed)
    rows = []
    luck = rng.random((episodes, n))  # the same at every k, as clips are easy or hard
    for k in k_values:
        right = luck < 0.95 - 0.4 * (2 * k) ** -0.5
        for episode in range(episodes):
            label = np.arange(n) % 2
            p_owl = np.where(right[episode], label, 1 - label)
            rows.append(
                pd.DataFrame(
                    {
                        "k": k,
                        "labelled_least": min(k, fewest),
                        "episode": episode,
                        "clip_id": [f"c{at}" for at in range(n)],
                        "group": [f"g{at}" for at in range(n)],
                        "label": np.array(CLASSES)[label],
                        "p_frog": 1.0 - p_owl,
                        "p_owl": p_owl.astype(float),
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def test_the_gain_is_that_of_the_law_with_an_interval() -> None:
    found = forecast(run(), CLASSES, n_bootstrap=200)
    assert (found.labelled, found.further) == (16, 10)
    truth = 0.4 * (16**-0.5 - 26**-0.5)
    assert found.gain.low <= found.gain.value <= found.gain.high
    assert found.gain.low <= truth <= found.gain.high
    assert found.now.value == pytest.approx(0.85, abs=0.06)
    assert list(found.curve["labelled"]) == [2, 4, 8, 16]
    later = forecast(run(), CLASSES, labelled=200, n_bootstrap=50)
    assert later.gain.value < found.gain.value


def test_labels_of_which_a_class_has_run_out_are_not_in_the_curve() -> None:
    found = forecast(run((1, 2, 4, 8, 16), fewest=5), CLASSES, n_bootstrap=100)
    assert list(found.curve["labelled"]) == [2, 4, 8]
    assert found.labelled == 32
    few = forecast(run(fewest=2), CLASSES, n_bootstrap=100)  # with them, where two would remain
    assert list(few.curve["labelled"]) == [2, 4, 8, 16]


def test_a_single_recording_has_a_forecast_without_an_interval() -> None:
    table = run().assign(group="one")
    gain = forecast(table, CLASSES, n_bootstrap=10).gain
    assert (gain.low, gain.high) == (None, None)
    assert np.isfinite(gain.value)


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        ((0.02, 0.01, 0.03), "go on"),
        ((0.005, 0.0, 0.02), "open"),
        ((0.005, 0.0, 0.009), "stop"),
        ((0.005, None, None), "open"),
    ],
)
def test_it_stops_where_even_the_upper_end_is_not_worth_it(gain, verdict: str) -> None:
    given = Forecast(10, 10, Interval(0.8, 0.7, 0.9), Interval(*gain), 0.9, pd.DataFrame())
    assert given.verdict(0.01) == verdict


def test_too_few_numbers_of_labels_are_a_line_that_says_what_to_run() -> None:
    with pytest.raises(ParameterError, match=r"this run has 2: dvc exp run .*k_values"):
        forecast(run((1, 5)), CLASSES)
