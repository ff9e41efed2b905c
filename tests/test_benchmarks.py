"""The benchmarks run on next to nothing, and print the JSON that they promise."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[1]


def printed(name: str, *arguments: object) -> list | dict:
    """What a benchmark prints on standard output."""
    command = [sys.executable, ROOT / "benchmarks" / f"{name}.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The heads that were not kept."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("candidates")


def test_every_candidate_tells_apart_what_is_far_apart(candidates: ModuleType) -> None:
    rng = np.random.default_rng(0)

    def rows(y: np.ndarray) -> np.ndarray:
        apart = 3 * np.eye(12)[y] + 3 * np.eye(12)[y + 6]  # in both blocks
        return apart + rng.normal(0, 0.3, size=(len(y), 12))

    y, hidden = np.repeat(np.arange(3), 4), np.tile(np.arange(3), 20)
    support = rows(y)
    source_y = np.repeat([0, 1, 2], 5)
    shot = candidates.Shot(
        support=support,
        y=y,
        unlabelled=rows(hidden),
        query=rows(hidden),
        views=np.stack([rows(y), rows(y)]),
        source=rows(source_y + 3),
        source_y=source_y,
        blocks=(6, 6),
    )
    for name, candidate in candidates.CANDIDATES.items():
        scores = candidate.scores(shot)
        assert scores.shape == (60, 3), name
        assert (scores.argmax(axis=1) == hidden).all(), name


def test_neighbours_are_the_nearest_of_either_and_never_oneself(candidates: ModuleType) -> None:
    likeness = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.5], [0.1, 0.5, 1.0]])
    near = candidates._neighbours(likeness, 1)
    np.testing.assert_array_equal(near, [[0, 0.9, 0], [0.9, 0, 0.5], [0, 0.5, 0]])


@pytest.mark.slow
def test_the_sweep_times_each_system() -> None:
    small = ["--clips", 40, "--classes", 2, "--dim", 16, "--k", 1, 2, "--headline", 2]
    found = printed("sweep", *small, "--episodes", 3, "--systems", "logistic", "prototype")
    assert [row["system"] for row in found["systems"]] == ["logistic", "prototype"]
    for row in found["systems"]:
        assert row["scored"] == 2 * 3 * 8  # k, episodes, clips of a test fold
        assert row["cpu_s"] > 0
        assert row["wall_s"] > 0
    assert found["wall_s"] == pytest.approx(sum(row["wall_s"] for row in found["systems"]))
    assert found["peak_mib"] > 0


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes in folders, each a tone of its own in noise, eight recordings each."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    t = np.arange(12_000) / 8000
    for label, pitch_hz in (("frog", 400), ("hen", 1500)):
        (folder / label).mkdir()
        for n in range(8):
            tone = 0.3 * np.sin(2 * np.pi * pitch_hz * rng.uniform(0.8, 1.2) * t)
            soundfile.write(folder / label / f"{n}.wav", tone + rng.normal(0, 0.05, t.size), 8000)
    return folder


@pytest.mark.slow
def test_heads_are_compared_on_the_same_episodes(recordings: Path, tmp_path: Path) -> None:
    small = ["--data", recordings, "--corpus", "folder", "--backbones", "logmel"]
    again = [*small, "--features", tmp_path, "--k", 1, 3, "--episodes", 3]
    rows = printed("heads", *again)
    by_head = {(row["head"], row["k"]): row for row in rows}
    assert len(by_head) == len(rows)
    heads = {head for head, _ in by_head}
    assert {
        "pooled",
        "rectified",
        "standardised",
        "laplacian_shot",
        "label_propagation_pool",
    } <= heads
    assert not {"distribution_calibration", "weighted_blocks"} & heads  # no source, one backbone
    assert {row["k"] for row in rows} == {1, 3}
    for row in rows:
        assert 0 <= row["macro_f1"] <= 1
        assert row["transductive"] == ("query" in row["sees"])
        for name in ("pooled", "standardised"):
            itself = by_head[name, row["k"]]["macro_f1"]
            assert row[f"over_{name}"] == pytest.approx(row["macro_f1"] - itself, abs=2e-4)
            assert row[f"over_{name}_p"] <= row[f"over_{name}_p_holm"] <= 1
    stored = next(islice(tmp_path.rglob("windows.npy"), 1)).stat().st_mtime_ns
    assert printed("heads", *again) == rows
    assert next(tmp_path.rglob("windows.npy")).stat().st_mtime_ns == stored


@pytest.mark.slow
def test_chosen_heads_are_drawn(recordings: Path, tmp_path: Path) -> None:
    small = ["--data", recordings, "--corpus", "folder", "--backbones", "logmel"]
    picture = tmp_path / "curves.png"
    more = [
        "--features",
        tmp_path,
        "--k",
        1,
        2,
        "--episodes",
        2,
        "--heads",
        "prototype",
        "logistic",
    ]
    rows = printed("heads", *small, *more, "--plot", picture)
    assert {row["head"] for row in rows} == {"prototype", "logistic"}
    assert picture.read_bytes().startswith(b"\x89PNG")
