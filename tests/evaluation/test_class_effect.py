"""Average precision against clips of the class: both systems are there, nothing is cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn import saved_with_nothing_cut_off

from faunashot.errors import ParameterError
from faunashot.evaluation.plots.class_effect import class_effect_figure


def points(n: int, *systems: str) -> pd.DataFrame:
    """So many classes, the more clips the higher."""
    parts = []
    for number, system in enumerate(systems or [""]):
        value = np.linspace(0.2, 0.9, n) + 0.05 * number
        parts.append(
            pd.DataFrame(
                {
                    "label": [f"class number {i}" for i in range(n)],
                    "clips": np.geomspace(3, 900, n).astype(int),
                    "average_precision": value,
                    "average_precision_low": value - 0.05,
                    "average_precision_high": value + 0.05,
                }
            ).assign(**{"system": system} if systems else {})
        )
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("n", [1, 12])
def test_nothing_is_cut_off_and_each_class_is_named_once(n: int, tmp_path: Path) -> None:
    figure = class_effect_figure(points(n, "general", "special"), title="two")
    saved_with_nothing_cut_off(figure, tmp_path)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["general", "special"]
    named = [text.get_text() for text in axes.texts]
    assert sum(text.startswith("class number") for text in named) == n


def test_a_system_alone_has_no_legend_and_what_is_missing_is_named() -> None:
    assert class_effect_figure(points(3)).axes[0].get_legend() is None
    with pytest.raises(ParameterError, match="class_effect: no column 'clips'"):
        class_effect_figure(points(3).drop(columns="clips"))
    with pytest.raises(ParameterError, match="class_effect: no rows"):
        class_effect_figure(points(3).iloc[:0])
