"""The benchmarks run on next to nothing, and print the JSON that they promise."""

from __future__ import annotations

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from long_running import LONG

from faunashot.errors import ParameterError
from faunashot.features.extractors import extractor
from faunashot.features.spec import FeatureSpec

ROOT = Path(__file__).resolve().parents[1]


def printed(name: str, *arguments: object) -> list | dict:
    """What a benchmark prints on standard output."""
    command = [sys.executable, ROOT / "benchmarks" / f"{name}.py", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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


@pytest.mark.slow
def test_learning_from_windows_is_timed() -> None:
    found = printed("windows", "--clips", 42, "--classes", 2, "--dim", 8, "--windows", 3)
    assert found["windows"] == 42 * 3
    assert found["wall_s"] > 0
    assert found["cpu_s"] > 0


@pytest.mark.slow
def test_packing_and_reading_are_timed() -> None:
    found = printed("pack", "--clips", 16, "--batches", 4)
    # measured 395 and 75,000 under a load of 12 on two cores
    assert found["times_real_time_of_a_core"] > 200
    rates = {row["layout"]: row["clips_per_min"] for row in found["reading"]}
    assert rates["in one piece"] > 20_000
    assert len(rates) == 4


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


@pytest.fixture
def animals(recordings: Path, tmp_path: Path) -> Path:
    """The same recordings in the layout of the Animal-Sound-Dataset, and some noise."""
    root = tmp_path / "animals"
    for kind in recordings.iterdir():
        shutil.copytree(kind, root / "Training" / kind.name)
    noise = np.random.default_rng(0).normal(0, 0.1, 8000)
    (root / "Noise/Wind").mkdir(parents=True)
    soundfile.write(root / "Noise/Wind/0.wav", noise, 8000)
    return root


@pytest.mark.slow
def test_what_a_network_costs_is_measured(
    animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    networks = import_module("networks")
    monkeypatch.setattr(networks, "LEARNED", 12)
    monkeypatch.setattr(networks, "REPEATS", 2)
    given = ["--data", animals, "--corpus", "animals_sounds", "--features", tmp_path]
    monkeypatch.setattr(sys, "argv", ["networks.py", *map(str, given)])
    found = networks.measured("cnn1d", networks.arguments())
    assert found["macs"] > found["parameters"] > 0
    assert 0 <= found["waited_share"] < 1
    assert found["convergence_s"] > 0
    assert 0 < found["clip_ms"] < 5000
    assert found["clip_s"] == 1.5


@pytest.mark.slow
def test_growth_is_measured_of_each_step() -> None:
    found = printed("growth", "--sizes", 100, 50)
    assert [of["step"] for of in found["steps"]] == ["ingest", "audit", "store", "splits", "heads"]
    for of in found["steps"]:
        assert [row["clips"] for row in of["sizes"]] == [50, 100]
        assert all(row[key] > 0 for row in of["sizes"] for key in ("wall_s", "cpu_s", "peak_mb"))
        for key in ("wall_s", "cpu_s"):
            first, last = (row[key] for row in of["sizes"])
            slope = pytest.approx(np.log2(last / first), abs=2e-3)
            assert of[f"{key}_exponent"] == {"all": slope, "last_two": slope}
    assert found["settings"]["repeats"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "given", [["--sizes", "100"], ["--sizes", "100", "4"], ["--steps", "x"], ["--repeats", "0"]]
)
def test_growth_refuses_what_it_cannot_measure_in_one_line(given: list[str]) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "growth.py", *given]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert given[0] in line


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The arithmetic of large corpora, and the queues of a cluster."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return import_module("scaling")


def test_cores_that_nothing_holds_up_end_within_a_shard_of_each_other(scaling: ModuleType) -> None:
    load = scaling.Load(shards=500, service_s=10, read_mb=0, write_mb=0, reads=0, writes=0)
    for cores, cv in ((1, 0.0), (7, 0.0), (7, 0.5), (64, 0.5)):
        found = scaling.simulate(load, scaling.Cluster(cores=cores, cv=cv))
        work_s = found["utilisation"] * cores * found["makespan_s"]
        assert work_s == pytest.approx(5000, rel=0.1 if cv else 1e-9)
        longest_s = 10 * np.exp(5 * cv)
        assert work_s / cores - 1e-6 <= found["makespan_s"] <= work_s / cores + longest_s
        assert 0 < found["utilisation"] <= 1 + 1e-9
        assert found["waiting"] == pytest.approx(0, abs=1e-9)
        assert found["lost"] == found["failures"] == 0


def test_nodes_that_are_taken_away_never_shorten_a_run(scaling: ModuleType) -> None:
    load = scaling.Load(shards=3000, service_s=20, read_mb=0, write_mb=0, reads=0, writes=0)
    took = []
    for rate in (0, 6, 30, 120):
        cluster = scaling.Cluster(cores=64, cv=0.2, startup_s=10, failures_per_node_h=rate)
        runs = [scaling.simulate(load, cluster, seed=seed) for seed in range(3)]
        for found in runs:
            parts = [found[name] for name in ("utilisation", "waiting", "lost", "idle")]
            assert min(parts) >= -1e-9
            assert sum(parts) == pytest.approx(1)
        took.append([found["makespan_s"] for found in runs])
        assert (runs[0]["lost"] > 0) == (rate > 0)
    assert (np.diff(took, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("limit", "shards_per_s"),
    [
        ({"store_mb_s": 110}, 1),
        ({"store_requests_s": 6}, 0.5),
        ({"dispatch_per_s": 2}, 2),
    ],
)
def test_a_queue_lets_through_its_rate_however_many_cores(
    scaling: ModuleType, limit: dict[str, float], shards_per_s: float
) -> None:
    load = scaling.Load(shards=4000, service_s=5, read_mb=100, write_mb=10, reads=10, writes=2)
    for cores in (50, 100):
        found = scaling.simulate(load, scaling.Cluster(cores=cores, cv=0.2, **limit))
        assert found["shards_per_s"] == pytest.approx(shards_per_s, rel=0.02)
        assert found["utilisation"] == pytest.approx(shards_per_s * 5 / cores, rel=0.05)


def test_a_reader_waits_for_each_request_and_for_its_bytes(scaling: ModuleType) -> None:
    load = scaling.Load(shards=40, service_s=5, read_mb=100, write_mb=10, reads=10, writes=2)
    found = scaling.simulate(load, scaling.Cluster(cores=4, latency_s=0.1, stream_mb_s=20))
    assert found["makespan_s"] == pytest.approx(10 * (5 + 110 / 20 + 12 * 0.1))


def test_a_long_run_goes_on_at_the_pace_of_its_beginning(
    scaling: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = scaling.Load(shards=20_000, service_s=9, read_mb=100, write_mb=16, reads=9, writes=2)
    cluster = scaling.Cluster(cores=48, cv=0.3, startup_s=15, store_mb_s=400, latency_s=0.02)
    whole = scaling.simulate(load, cluster)
    assert 0.1 < whole["waiting"] < 0.5
    monkeypatch.setattr(scaling, "SIMULATED", 4_000)
    found = scaling.lasting(load, cluster, 0)
    assert found["makespan_s"] == pytest.approx(whole["makespan_s"], rel=0.01)
    for name in ("utilisation", "waiting", "lost", "idle"):
        assert found[name] == pytest.approx(whole[name], abs=0.01), name


@pytest.mark.shared
def test_a_plan_needs_no_weights(scaling: ModuleType, tfhub: Path) -> None:
    for name in ("logmel_stats", *scaling.FRONT_END_OF):
        loaded = FeatureSpec.of(extractor(name))
        weightless = FeatureSpec.of(scaling.without_weights(name))
        assert replace(weightless, weights_hash=loaded.weights_hash) == loaded
        assert scaling.without_weights(name, hop_s=0.5).hop_s == 0.5
    with pytest.raises(ParameterError, match="yamnte"):
        scaling.without_weights("yamnte")


@pytest.mark.slow
def test_hours_are_counted_and_simulated(tmp_path: Path) -> None:
    small = ["--windows-per-core-s", "logmel_stats=100", "--hours", 10, 100, "--cores", 2, 64]
    picture = tmp_path / "scaling.png"
    found = printed("scaling", *small, "--plot", picture)
    assert set(found) == {"work", "arithmetic", "simulation", "bends", "settings"}
    [work] = found["work"]
    for row, hours in zip(found["arithmetic"], (10, 100), strict=True):
        assert row["windows"] == pytest.approx(hours * 3600 / work["hop_s"], rel=0.01)
        assert row["core_hours"] == pytest.approx(row["windows"] / 100 / 3600, rel=1e-6)
        assert row["shards"] >= row["windows"] / 4096
    for row in found["simulation"]:
        assert 0 < row["utilisation"] <= 1
        parts = (row[name] for name in ("utilisation", "waiting", "lost", "idle"))
        assert sum(parts) == pytest.approx(1)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "script", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda script: script.stem
)
def test_what_a_script_imports_of_faunashot_is_there(script: Path) -> None:
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("faunashot"):
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                module = import_module(node.module)
                assert hasattr(module, alias.name) or importlib.util.find_spec(dotted), dotted


@pytest.mark.slow
def test_the_networks_in_pytorch_are_the_same_as_ours() -> None:
    for package in ("torch", "torchlibrosa"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    (row,) = printed("beside_torch", "panns_mobilenet_v1")
    assert row["difference"] < 2e-5
    assert row["ours_clips_per_s"] > 0
    assert row["torch_clips_per_s"] > 0


def _validation(simulations: int, *truths: str) -> dict:
    found = printed("validation", "--simulations", simulations, *truths)
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_intervals_of_a_few_simulated_validations_hold_the_truth() -> None:
    found = _validation(40, "logistic", "step")
    assert 0.88 <= found["mean"]["precision"] <= 1
    assert 0.88 <= found["mean"]["curve"] <= 1
    for row in found["truths"]:
        assert row["width"] < row["wilson_width"]


@LONG
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_of_1000_simulated_validations_93_to_97_in_100_hold_the_truth() -> None:
    found = _validation(1000)
    for row in found["truths"]:
        assert 0.93 <= row["precision"] <= 0.97, row
    assert 0.93 <= found["mean"]["curve"] <= 0.97
