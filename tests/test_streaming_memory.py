"""Memory does not grow with a recording's length: two hours take what half an hour does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from long_running import LONG

from faunashot.audio.windows import count_windows
from faunashot.features import store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc"),
]

ROOT = Path(__file__).resolve().parents[1]
RATE = 48_000
SHORT_MIN, LONG_MIN = 30, 120
"""Both are of several shards."""

LONG_BYTES = LONG_MIN * 60 * RATE * 2
MOST_MB = 1_200

Embed = Callable[..., tuple[int, float]]


@pytest.fixture
def embed(tmp_path: Path, monkeypatch) -> Embed:
    """Embed a recording of so many minutes: how many windows it gave, and peak memory in MB."""
    if shutil.disk_usage(tmp_path).free < 2 * LONG_BYTES:
        pytest.skip(f"needs {2 * LONG_BYTES / 1e9:.1f} GB of disk")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    stream = import_module("stream")

    def embedded(backbone: str, *, minutes: int) -> tuple[int, float]:
        file, out = tmp_path / "night.wav", tmp_path / f"{backbone} {minutes}"
        stream.write_recording(file, minutes=minutes, sample_rate=RATE)
        try:
            peak_mb = stream.measured(file, backbone, out)["peak_mb"]
        finally:
            file.unlink()
        found = store.load(out)
        assert list(found.bad) == []
        assert found.index["end_s"].iloc[-1] == minutes * 60
        return len(found.index), peak_mb

    return embedded


@pytest.mark.parametrize(
    ("backbone", "rate", "window", "hop"),
    [
        pytest.param("yamnet", 16_000, 15_600, 7_680, marks=[pytest.mark.shared, LONG]),
        ("logmel_stats", 32_000, 32_000, 16_000),
    ],
)
def test_two_hours_take_the_memory_of_half_an_hour(
    backbone, rate, window, hop, embed, request
) -> None:
    if backbone == "yamnet":
        request.getfixturevalue("tfhub")
    short, short_mb = embed(backbone, minutes=SHORT_MIN)
    long, long_mb = embed(backbone, minutes=LONG_MIN)
    print(f"{backbone}: {short_mb} MB of {SHORT_MIN} minutes, {long_mb} MB of {LONG_MIN}")
    assert short == count_windows(SHORT_MIN * 60 * rate, window, hop=hop)
    assert long == count_windows(LONG_MIN * 60 * rate, window, hop=hop)
    assert long_mb < MOST_MB
    assert long_mb < 1.15 * short_mb + 50
