"""The effect of ingredients: with them less without them, on either side."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from faunashot.protocols.support import ablation
from faunashot.systems.catalogue import system
from faunashot.systems.variants import variants

CLASSES = ["cat", "hen"]
ENHANCED = system("cnn1d-enhanced")


def run(n_right: int) -> pd.DataFrame:
    """A hundred clips of which so many are right."""
    label = np.array(CLASSES)[np.arange(100) % 2]
    other = np.array(CLASSES)[(np.arange(100) + 1) % 2]
    predicted = np.where(np.arange(100) < n_right, label, other)
    ids = [f"{i:02d}" for i in range(100)]
    return pd.DataFrame({"clip_id": ids, "group": ids, "label": label, "predicted": predicted})


def test_every_variant_meets_every_seed():
    cells = ablation.cells(ENHANCED, "logmel_frames", seeds=[1, 2, 3], folds="grouped")
    assert len(cells) == 3 * len(variants(ENHANCED))
    assert len({cell.key("x") for cell in cells}) == len(cells)


def test_the_effect_is_what_the_ingredient_adds():
    right = dict.fromkeys(variants(ENHANCED), 60)
    right |= {"whole": 80, "whole.noise.none": 70, "whole.noise.naive": 75}
    right |= {"bare": 50, "bare.noise.naive": 48, "bare.noise.calibrated": 55}
    runs = {name: [run(n), run(n)] for name, n in right.items()}
    table = ablation.ablation_effect(ENHANCED, runs, CLASSES).set_index("variant")
    assert len(table) == len(right) - 2
    found = table["accuracy"]
    assert found["whole.noise.none"] == pytest.approx(0.10)  # taking it out costs so much
    assert found["whole.noise.naive"] == pytest.approx(-0.05)
    assert found["bare.noise.naive"] == pytest.approx(-0.02)
    assert found["bare.noise.calibrated"] == pytest.approx(0.05)
    names = table["ingredient"]
    assert names["whole.noise.none"] == names["bare.noise.calibrated"] == "noise (calibrated)"
    assert names["whole.noise.naive"] == "noise (naive) rather than calibrated"
    assert (table["accuracy_low"] <= found).all()
    assert set(table["side"]) == set(ablation.SIDES.values())


def test_each_variant_has_figures_of_its_own():
    table = ablation.figures({"whole": [run(80), run(70)], "bare": [run(50), run(50)]}, CLASSES)
    assert table["variant"].tolist() == ["whole", "bare"]
    assert table["accuracy"].tolist() == [0.75, 0.5]
