"""Published figures: what a study's file says of them, and what stands beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from faunashot.errors import ParameterError
from faunashot.tracking.published import COLUMNS, Published, comparable, set_beside
from faunashot.tracking.studies import planned, read_study

GIVEN: dict[str, Any] = {
    "of": {"system": "lightgbm"},
    "values": {"accuracy": 0.8, "window.accuracy": 0.7},
    "folds": "published",
    "source": "a report",
}
STUDY = {"name": "windows", "grid": {"system": ["lightgbm", "mlp"], "backbone": ["yamnet"]}}

SYSTEMS = pd.DataFrame(
    [
        {
            "system": "lightgbm",
            "axes": {"system": "lightgbm", "backbone": "yamnet"},
            **{"accuracy": 0.82, "accuracy_low": 0.78, "accuracy_high": 0.86},
            **{"window.accuracy": 0.6, "window.accuracy_low": 0.5, "window.accuracy_high": 0.65},
            **{f"leaking_random_folds.accuracy{end}": 0.9 for end in ("", "_low", "_high")},
        }
    ]
)


def beside(**changed: Any) -> pd.DataFrame:
    return set_beside([Published(**(GIVEN | changed))], SYSTEMS).set_index("metric")


def test_a_figure_lies_within_our_interval_or_does_not() -> None:
    table = beside()
    assert table["within"].tolist() == [True, False]
    assert table.loc["accuracy", "difference"] == pytest.approx(0.02)
    assert table.loc["accuracy", "difference_low"] == pytest.approx(-0.02)
    assert table.loc["accuracy", "difference_high"] == pytest.approx(0.06)
    assert table.loc["window.accuracy", "ours"] == 0.6


def test_a_figure_of_random_folds_leaks_and_is_compared_with_ours_of_random_folds() -> None:
    row = beside(folds="random", values={"accuracy": 0.95}).loc["accuracy"]
    assert row["leaks"]
    assert row["ours"] == 0.82
    assert row["ours_leaking"] == 0.9
    assert row["difference"] == pytest.approx(-0.05)


def test_a_figure_of_random_folds_has_no_difference_where_ours_have_none() -> None:
    row = beside(folds="random", values={"window.accuracy": 0.95}).loc["window.accuracy"]
    assert row["ours"] == 0.6
    assert pd.isna(row["difference"])
    assert row["within"] is None


def test_what_cannot_be_compared_has_no_difference() -> None:
    table = beside(differs="other clips")
    assert table["difference"].isna().all()
    assert table["within"].isna().all()
    assert table["differs"].tolist() == ["other clips"] * 2


def test_a_system_that_has_not_been_run_has_its_published_figures_alone() -> None:
    table = beside(of={"system": "mlp"})
    assert table["system"].tolist() == ["mlp"] * 2
    assert table["published"].tolist() == [0.8, 0.7]
    assert table["ours"].isna().all()
    assert sorted(table.reset_index().columns) == sorted(COLUMNS)


def test_only_what_compares_is_drawn_beside_ours() -> None:
    assert comparable(beside().reset_index(), "accuracy") == {"lightgbm": 0.8}
    for changed in ({"folds": "random"}, {"differs": "other clips"}):
        assert comparable(beside(**changed).reset_index(), "accuracy") == {}


def read(file: Path, *only: str, **changed: Any):
    file.write_text(yaml.safe_dump(STUDY | changed))
    return read_study(file, only=only)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {"of": {"system": "forest"}},
            r"published\.0\.of: no experiment of the grid has system=forest",
        ),
        ({"values": {"acuracy": 0.8}}, "metric: unknown value 'acuracy'; did you mean 'accuracy'"),
        ({"values": {}}, r"published\.0\.values: .*at least 1"),
        ({"folds": "shuffled"}, r"published\.0\.folds: .*'random'"),
        ({"differ": "x"}, r"unknown key 'published\.0\.differ'; did you mean '.*differs'"),
    ],
)
def test_what_is_wrong_with_a_figure_is_told_in_a_line(tmp_path, changed, told: str) -> None:
    with pytest.raises(ParameterError, match=told) as caught:
        read(tmp_path / "study.yaml", published=[GIVEN | changed])
    assert "\n" not in str(caught.value)


def test_a_metric_that_is_none_is_told_in_a_line(tmp_path) -> None:
    with pytest.raises(ParameterError, match=r"unknown value 'window\.f1_macro'"):
        read(tmp_path / "study.yaml", metrics=["window.f1_macro"])


def test_a_part_of_the_grid_keeps_its_published_figures(tmp_path) -> None:
    grid = [{"system": ["lightgbm", "mlp"], "seed": [1, 2]}, {"backbone": ["yamnet"]}]
    asked = read(tmp_path / "s.yaml", "system=mlp", "seed=2", grid=grid, published=[GIVEN])
    assert [each.axes for each in planned(asked)] == [{"system": "mlp", "seed": 2}]
    assert asked.published == []
    whole = {each.name for each in planned(read(tmp_path / "s.yaml", grid=grid))}
    assert {each.name for each in planned(asked)} < whole


@pytest.mark.parametrize(
    ("only", "told"),
    [
        (["system"], "--only system: needs KEY=VALUE"),
        (["sytem=mlp"], "--only: unknown value 'sytem'; did you mean 'system'"),
        (["system=forest"], "--only system: unknown value 'forest'"),
        (["system=mlp", "seed=1"], "--only system=mlp --only seed=1: no experiment of the study"),
    ],
)
def test_a_part_that_is_none_is_told_in_a_line(tmp_path, only: list[str], told: str) -> None:
    grid = [{"system": ["mlp"]}, {"seed": [1]}]
    with pytest.raises(ParameterError, match=told):
        read(tmp_path / "study.yaml", *only, grid=grid)
