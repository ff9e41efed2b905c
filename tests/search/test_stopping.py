"""The learning curve that says when to stop."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from faunashot.errors import ParameterError
from faunashot.evaluation.uncertainty import Interval
from faunashot.search.stopping import Forecast, fit_power_law, forecast, power_law

CLASSES = ["frog", "owl"]


def run(
    k_values: tuple[int, ...] = (1, 2, 4, 8), *, episodes: int = 8, n: int = 40, seed: int = 0
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


@pytest.mark.parametrize("truth", [(0.9, 0.5, 0.5), (1.0, 0.7, 0.3), (0.8, 0.0, 1.0)])
def test_a_power_law_is_found_again(truth: tuple[float, float, float]) -> None:
    n = np.array([10.0, 20, 50, 100, 200])
    (law,) = fit_power_law(n, power_law(np.array([truth]), n[:, None]).T)
    for at in (10, 100, 210):
        found = power_law(law[None], at)[0]
        assert found == pytest.approx(power_law(np.array([truth]), at)[0], abs=2e-3)
    assert law[0] <= 1
    assert law[1] >= 0


def test_a_curve_never_falls_nor_passes_one() -> None:
    n = np.array([10.0, 20, 50])
    laws = fit_power_law(n, np.array([[0.9, 0.8, 0.7], [0.2, 0.6, 1.0]]))
    later = np.stack([power_law(laws, at) for at in (10, 100, 10_000)])
    assert (np.diff(later, axis=0) >= -1e-12).all()
    assert (later <= 1 + 1e-12).all()


def test_the_gain_is_that_of_the_law_with_an_interval() -> None:
    found = forecast(run(), CLASSES, n_bootstrap=200)
    assert (found.labelled, found.further) == (16, 10)
    truth = 0.4 * (16**-0.5 - 26**-0.5)
    assert found.gain.low <= found.gain.value <= found.gain.high
    assert found.gain.low <= truth <= found.gain.high
    assert found.now.value == pytest.approx(0.85, abs=0.06)
    assert list(found.curve["labelled"]) == [2, 4, 8, 16]
    later = forecast(run(), CLASSES, labelled=200, n_bootstrap=50)
    assert 0 <= later.gain.value < found.gain.value


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
