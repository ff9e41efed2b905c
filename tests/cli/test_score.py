"""``faunashot score``: the table, JSON and CSV, and a line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from faunashot.cli.main import main

HEADER = "file,start_s,end_s,label,score\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "truth").mkdir()
    (tmp_path / "found.csv").write_text(
        f"{HEADER}n/a.wav,0,3,frog,0.9\nn/a.wav,6,9,frog,0.5\nn/b.wav,1,4,owl,0.8\n"
    )
    (tmp_path / "truth" / "a.labels.txt").write_text("0.5\t3.5\tfrog\n")
    (tmp_path / "truth" / "b.txt").write_text("1\t4\tOwl\n")
    return tmp_path


def run(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["faunashot", "score", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_a_table_with_what_is_left_out(folder, monkeypatch, capsys) -> None:
    code, out, err = run(monkeypatch, capsys, folder / "found.csv", folder / "truth")
    assert code == 0
    assert "1 of 2" in out
    assert "2 recordings; below a figure its 95 % interval" in out
    assert "'owl' is detected and 'Owl' annotated" in err
    assert "the length of 2 of 2 recordings is not known" in err


def test_json_csv_lengths_and_a_map(folder, monkeypatch, capsys) -> None:
    (folder / "map.csv").write_text("owl,Owl\n")
    for name in ("a", "b"):
        sf.write(folder / f"{name}.wav", np.zeros(8000 * 90), 8000)
    code, out, err = run(
        monkeypatch, capsys, folder / "found.csv", folder / "truth", "--labels", folder / "map.csv",
        "--audio", folder, "--out", folder / "rows.csv", "--json",
    )  # fmt: skip
    answer = json.loads(out)
    every = answer["rows"][0]
    assert (code, err) == (0, "")
    assert (every["annotated"], every["right"], every["detected"]) == (2, 2, 3)
    assert every["false_alarms_per_hour"] == pytest.approx(20)
    assert answer["confusion"]["names"] == ["Owl", "frog", "(nothing)"]
    rows = pd.read_csv(folder / "rows.csv")
    assert list(rows["of"]) == ["all", "all", "label", "label", "file", "file"]


def test_lengths_from_a_table(folder, monkeypatch, capsys) -> None:
    lengths = folder / "lengths.csv"
    lengths.write_text("file,duration_s\na.wav,1800\nn/b.wav,1800\n")
    paths = (folder / "found.csv", folder / "truth", "--durations", lengths)
    _, out, _ = run(monkeypatch, capsys, *paths, "--json")
    assert json.loads(out)["rows"][0]["false_alarms_per_hour"] == 2
    lengths.write_text("file,duration_s\na.wav,long\n")
    assert run(monkeypatch, capsys, *paths)[::2] == (
        1, f"faunashot: {lengths}: line 2: 'long' is no length in seconds\n",
    )  # fmt: skip


def test_a_bad_table_is_a_line_and_the_rest_is_scored(folder, monkeypatch, capsys) -> None:
    (folder / "truth" / "c.labels.txt").write_text("1\t2\tfrog\n5\t4\tfrog\n")
    code, out, err = run(monkeypatch, capsys, folder / "found.csv", folder / "truth")
    assert code == 2
    assert "c.labels.txt: line 2: from 5 s to 4 s is no span of a recording" in err
    assert "1 of 2" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["gone.csv", "truth"], "gone.csv: not there"),
        (["found.csv", "truth", "--least", "1.5"], "least overlap: 1.5"),
        (["found.csv", "truth", "--out", "rows.txt"], "name a file that ends in .csv"),
        (["found.csv", "truth", "--audio", "gone"], "gone: no folder of recordings"),
        (["found.csv", "found.csv", "--labels", "found.csv"], "line 1: needs two cells"),
    ],
)
def test_what_is_wrong_is_one_line(folder, monkeypatch, capsys, arguments, line) -> None:
    monkeypatch.chdir(folder)
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == 1
    assert line in err
    assert err.startswith("faunashot: ")
    assert err.count("\n") == 1
