"""docs/BACKBONES.md: its files and commands, on an ONNX file that is made here."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import yaml
from first_hour import ROOT, commands, shape

from faunashot.backbones._declared.declaration import Classes, Declaration, Input, Output, Weights
from faunashot.backbones._declared.model import DeclaredBackbone
from faunashot.backbones._declared.sources import OURS
from faunashot.backbones.base import BACKBONES

PAGE = (ROOT / "docs" / "BACKBONES.md").read_text("utf-8")
FILES = dict(re.findall(r"^```(?:yaml|text)\n# (\S+)\n(.*?)^```", PAGE, re.M | re.S))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the network, the files of the page, and two recordings."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    from onnx_network import write_network

    (tmp_path / "night").mkdir()
    (tmp_path / "backbones").mkdir()
    write_network(tmp_path / "backbones" / "mynet.onnx")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    for i in range(2):
        noise = np.random.default_rng(i).normal(0, 0.1, 48_000)
        sf.write(tmp_path / "night" / f"{i}.wav", noise, 16_000)
    return tmp_path


def test_every_backbone_is_in_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = import_module("backbones")
    rows = benchmark.table(PAGE)
    speeds = {row[0].strip("`"): row[benchmark.SPEED] for row in rows}
    kinds = BACKBONES.classes()
    assert rows == [benchmark.cells(kind, speeds[name]) for name, kind in kinds.items()]
    without = {name for name, speed in speeds.items() if not speed}
    assert without == {name for name, kind in kinds.items() if issubclass(kind, DeclaredBackbone)}
    assert all(float(speed) > 0 for speed in speeds.values() if speed)


def test_its_commands_print_what_it_shows(faunashot, project: Path, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = commands(PAGE)
    assert [command.split()[1] for command in shown] == ["backbones", "embed"]
    for command, lines in shown.items():
        done = faunashot(*command.split()[1:])
        assert done.code == 0, done.err
        assert {shape(line) for line in lines} <= {shape(line) for line in done.out.split("\n")}


@pytest.mark.parametrize(
    ("line", "file", "wrong"),
    [
        ("embeding", "backbones/mynet.yaml", ("name: embedding", "name: embeding")),
        ("32000 Hz", "backbones/mynet.yaml", ("16000", "32000")),
        ("lists 4 names", "backbones/mynet.txt", ("wren\n", "")),
    ],
)
def test_its_errors_are_what_is_said(faunashot, project: Path, line, file, wrong) -> None:
    (project / file).write_text(FILES[file].replace(*wrong), "utf-8")
    done = faunashot("backbones", "check", "backbones/mynet.yaml")
    (shown,) = [text for text in PAGE.splitlines() if "faunashot: " in text and line in text]
    assert (done.code, done.err.strip()) == (1, shown)


def test_custom_operators_are_refused_as_it_shows(faunashot, project: Path) -> None:
    from onnx_network import write_network

    write_network(project / "backbones" / "mynet.onnx", fault="custom")
    (shown,) = [text for text in PAGE.splitlines() if "Whisker" in text]
    assert faunashot("backbones", "check", "backbones/mynet.yaml").err.strip() == shown


def test_every_key_is_on_it() -> None:
    table = PAGE.split("## All keys")[1].split("## Ours")[0]
    for model in (Declaration, Weights, Input, Output, Classes):
        for name in model.model_fields.keys() - {"weights", "input", "outputs"}:  # blocks
            assert re.search(rf"`[a-zA-Z.]*\.?{name}`", table), name


def test_ours_are_on_it() -> None:
    table = PAGE.split("## Ours")[1]
    for file in OURS.glob("*.yaml"):
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{file.stem}` ")]
        declared = yaml.safe_load(file.read_text("utf-8"))
        assert row.endswith(f" {declared['licence']} |")
        rate, window = f"{declared['sample_rate'] / 1000:g} kHz", f"{declared['window_s']:g} s"
        assert f"| {rate}, {window} |" in row
