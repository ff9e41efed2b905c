"""Figures of trust: what they say, and that nothing is cut off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from drawn import saved_with_nothing_cut_off
from matplotlib.figure import Figure

from faunashot.errors import ParameterError
from faunashot.evaluation.calibration import reliability
from faunashot.evaluation.plots.calibration import reliability_figure
from faunashot.evaluation.plots.unknown import rejection_figure

TITLE = "birdnet-linear on animals_sounds"


def sure(by: float, *, n: int = 300) -> pd.DataFrame:
    """Reliability of answers whose confidence is so much above what it should be."""
    rng = np.random.default_rng(0)
    honest = rng.uniform(0.3, 1 - by, n)
    return reliability(honest + by, rng.random(n) < honest)


def make(kind: str, title: str = "") -> Figure:
    if kind == "reliability":
        return reliability_figure(sure(0.2), title=title)
    if kind == "tempered":
        return reliability_figure(sure(0.2), sure(0.0), title=title)
    rng = np.random.default_rng(0)
    known = np.arange(300) < 100
    return rejection_figure(rng.normal(~known * 2.0), known, threshold=0.8, title=title)


def shown(figure: Figure) -> list[str]:
    """All that stands above its panels."""
    return [
        text
        for axes in figure.axes
        for text in (axes.get_title(loc="left"), *(t.get_text() for t in axes.texts))
        if text.strip()
    ]


@pytest.mark.parametrize("title", ["", TITLE])
@pytest.mark.parametrize("kind", ["reliability", "tempered", "rejection"])
def test_a_figure_is_saved_with_nothing_cut_off(kind, title, tmp_path):
    figure = make(kind, title)
    saved_with_nothing_cut_off(figure, tmp_path)


@pytest.mark.parametrize(
    ("kind", "shows"),
    [
        ("reliability", ["Reliability: calibration error"]),
        ("tempered", ["Before temperature scaling: calibration error", "After: calibration error"]),
        ("rejection", ["77% of the known pass the threshold, 14% of", "Any threshold: AUROC 0."]),
    ],
)
def test_a_figure_says_what_it_shows_with_and_without_a_title(kind, shows):
    for above in (shown(make(kind)), shown(make(kind, TITLE))):
        assert all(any(text.startswith(part) for text in above) for part in shows)
    assert TITLE in shown(make(kind, TITLE))


def test_reliability_draws_the_filled_bins_and_all_counts():
    above, below = reliability_figure(reliability([0.9, 0.95, 0.2], [1, 0, 0], n_bins=5)).axes

    np.testing.assert_allclose(above.lines[1].get_xydata(), [[0.2, 0], [0.925, 0.5]])
    assert [bar.get_height() for bar in below.patches] == [1, 0, 0, 0, 2]


def test_tempered_is_drawn_beside_on_the_same_axes():
    before, after, *counts = make("tempered").axes

    assert before.get_ylim() == after.get_ylim() == (0, 1)
    assert counts[0].get_ylim() == counts[1].get_ylim()
    gaps = [abs(np.diff(axes.lines[1].get_xydata(), axis=1)).mean() for axes in (before, after)]
    assert gaps[0] > 2 * gaps[1]


def test_rejection_draws_each_kind_as_shares_and_the_threshold():
    scores, curve = rejection_figure([0, 1, 2, 3], [1, 1, 0, 0], threshold=1.5).axes

    heights = [bar.get_height() for bar in scores.patches]
    assert sum(heights) == pytest.approx(2)
    assert scores.lines[0].get_xdata()[0] == 1.5
    (point,) = curve.lines[-1].get_xydata()
    assert point.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("figure", "arguments", "message"),
    [
        (reliability_figure, (pd.DataFrame({"low": [0]}),), "reliability: no column 'high'"),
        (reliability_figure, (sure(0), pd.DataFrame()), "reliability: no column 'low'"),
        (rejection_figure, ([1, 2], [True, True]), "known: needs"),
        (rejection_figure, ([1, 2], [True]), "known: needs"),
    ],
)
def test_what_does_not_fit_is_refused(figure, arguments, message):
    more = {"threshold": 1.0} if figure is rejection_figure else {}

    with pytest.raises(ParameterError, match=message):
        figure(*arguments, **more)
