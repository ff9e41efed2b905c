from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_param_name

from faunashot.errors import TrackingError
from faunashot.tracking import keys


@given(st.text(min_size=1, max_size=60))
def test_every_name_is_one_that_mlflow_takes(name: str) -> None:
    clean = keys.clean_name(f"per_class.{name}")
    _validate_metric_name(clean)
    _validate_param_name(clean)


def test_params_are_flat_short_text() -> None:
    params = keys.as_params(
        {"a": {"b": 1, "c": [1, "x"]}, "long": "x" * 900, "none": None, "e": {}}
    )
    assert params["a.b"] == "1"
    assert params["a.c"] == '[1, "x"]'
    assert len(params["long"]) == 500
    assert params["none"] == "None"
    assert params["e"] == "{}"


def test_metrics_are_finite_numbers() -> None:
    values = {"a": {"f": np.float32(0.5), "i": np.int64(2)}, "none": None, "nan": float("nan")}
    others = {"inf": float("inf"), "yes": True, "text": "0.5", "list": [1.0]}
    assert keys.as_metrics(values | others) == {"a.f": 0.5, "a.i": 2.0}


def test_an_experiment_is_its_name_and_baseline_or_else_its_parameters() -> None:
    def key(experiment: str, baseline: str, k: int) -> str:
        return keys.experiment_key(
            experiment=experiment, baseline=baseline, params={"protocol": {"k": k}}
        )

    assert key("fast-cat", "a", 1) == key("fast-cat", "a", 2)
    assert key("fast-cat", "a", 1) != key("fast-cat", "b", 1)
    assert key("", "a", 1) == key("", "b", 1) != key("", "a", 2)


def test_a_stage_is_what_it_was_told_and_what_it_read(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("1")
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "x").write_text("1")

    def key(k: int = 1) -> str:
        return keys.stage_key("train", params={"k": k}, inputs=[file, folder])

    first = key()
    assert key() == first != key(2)
    (folder / "below" / "x").write_text("2")
    assert key() != first


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"clips\.parquet: no such input"):
        keys.stage_key("train", params={}, inputs=[tmp_path / "clips.parquet"])
