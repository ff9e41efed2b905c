"""What stages took is written beside what they found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faunashot.pipeline.costs import COSTS, peak_memory_mb, summed_up, write_costs


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    COSTS.mkdir(parents=True)


def test_a_trained_network_counts_its_own_parameters_and_a_head_those_of_its_backbones() -> None:
    write_costs("embed", {"windows_per_s": {"yamnet": 50.0}})
    write_costs("train", {"training_s": 3.5, "parameters": 7})
    found = summed_up(11)
    assert (found["windows_per_s"], found["training_s"]) == ({"yamnet": 50.0}, 3.5)
    assert found["parameters"] == 7
    assert 10 < found["peak_memory_mb"]["train"] <= peak_memory_mb()
    write_costs("train", {"training_s": 3.5})
    assert summed_up(11)["parameters"] == 11


def test_where_all_was_cached_the_file_is_the_same_whenever_it_is_written() -> None:
    write_costs("embed", {})
    assert json.loads((COSTS / "embed.json").read_text()) == {}
    write_costs("train", {"training_s": 3.5})
    assert set(summed_up(None)["peak_memory_mb"]) == {"train"}
