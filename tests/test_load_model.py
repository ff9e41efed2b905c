"""``faunashot.load_model``: a folder, or what MLflow has under a name."""

from __future__ import annotations

from pathlib import Path

import pytest

import faunashot
from faunashot.errors import StoreError, TrackingError


@pytest.mark.parametrize("name", ["models:/faunashot-demo@champion", "runs:/1/model", "0" * 32])
def test_outside_of_a_project_it_is_one_line_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrackingError, match="change to the project's folder"):
        faunashot.load_model(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["models/none", "0" * 31])
def test_what_mlflow_does_not_name_is_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="no model"):
        faunashot.load_model(tmp_path / name)
    with pytest.raises(StoreError, match="no model"):
        faunashot.load_model(name)


def test_a_folder_may_be_named_as_a_run_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ("0" * 32)).mkdir()
    with pytest.raises(StoreError, match="no model"):
        faunashot.load_model("0" * 32)
