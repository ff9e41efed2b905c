"""`faunashot backbones`: what each is, costs and has learned from, and how fast it is."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from faunashot.cli import backbones
from faunashot.features import speed
from faunashot.features.extractors import extractor

FACTS = {
    *("name", "runtime", "rate_hz", "window_s", "layers", "parameters", "macs", "licence"),
    *("trained_on", "weights"),
}


def test_every_fact_is_there(faunashot) -> None:
    rows = {row["name"]: row for row in json.loads(faunashot("backbones", "--json").out)}
    assert all(row.keys() >= FACTS for row in rows.values())
    assert all(row["runtime"] and row["trained_on"] for row in rows.values())
    cnn14 = rows["panns_cnn14"]
    assert (cnn14["parameters"], cnn14["macs"]) == (79_690_048, 9_952_940_032)
    assert (cnn14["runtime"], rows["perch_2"]["runtime"]) == ("LiteRT", "ONNX Runtime")
    assert rows["perch_2"]["macs"] is None


@pytest.mark.parametrize("columns", [80, 200])
def test_tables_have_them_in_short(faunashot, monkeypatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = faunashot("backbones").out
    for heading in FACTS:
        assert f" {heading} " in shown.replace("\n", " ")
    rows = [line for line in shown.splitlines() if "panns_cnn14 " in line]
    assert [row.split()[1] for row in rows] == ["LiteRT", "79.7", "CC-BY-4.0"]
    assert "10.0 G" in rows[1]


def test_speed_is_measured_where_weights_are_here(faunashot, monkeypatch) -> None:
    monkeypatch.setattr(
        backbones, "_weights", lambda kind: "here" if kind.card.name == "birdnet" else "not here"
    )
    monkeypatch.setattr(backbones, "_windows_per_s", {"birdnet": 35.0}.__getitem__)
    rows = json.loads(faunashot("backbones", "--measure", "--json").out)
    assert {row["name"]: row.get("windows_per_s") for row in rows if "windows_per_s" in row} == {
        "birdnet": 35.0
    }
    assert " windows_per_s" in faunashot("backbones", "--measure").out


def test_windows_are_counted_on_all_processors(monkeypatch) -> None:
    monkeypatch.setattr(speed, "MEASURED_S", 0.05)
    monkeypatch.setattr(speed, "cores", lambda: 2)
    seen = []
    source = extractor("logmel_stats")

    def network(inputs: np.ndarray) -> np.ndarray:
        seen.append(len(inputs))
        return source.network(inputs)

    counted = speed.windows_per_s(replace(source, network=network, batch_size=2))
    assert set(seen) == {2}
    assert len(seen) >= 4  # two calls that load it, and two that are counted, at least
    assert 0 < counted < sum(seen) / 0.05


def test_the_list_imports_no_network_library() -> None:
    code = (
        "import sys; from faunashot.cli.main import app; from typer.testing import CliRunner;"
        "done = CliRunner().invoke(app, ['backbones', '--json']);"
        "print(done.exit_code, [m for m in ('keras', 'tensorflow', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "0 []\n"


@pytest.mark.parametrize(
    ("number", "shown"),
    [(None, ""), (0, "0.0 M"), (368_056_320, "368.1 M"), (999_949_999, "999.9 M"), (1e9, "1.0 G")],
)
def test_large_numbers_are_rounded(number, shown: str) -> None:
    assert backbones.rounded(number) == shown
