"""What must not become slow again: ratios to rivals in the same run, never times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "embed.py"
MOST_MB = 1_200


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(
    ("backbone", "clips", "to_plain_loop", "to_bare_network"),
    # measured 3.0 and 0.57, 3.4 and 0.51; docs/PERFORMANCE.md
    [("yamnet", 118, 2.2, 0.42), ("birdnet", 30, 2.4, 0.38)],
)
def test_embedding_keeps_its_lead(
    backbone: str, clips: int, to_plain_loop: float, to_bare_network: float, tfhub, shared
) -> None:
    data = shared / "data" / "esc50-mini"
    asked = ["--backbone", backbone, "--data", data, "--clips", str(clips), "--repeats", "3"]
    done = subprocess.run([sys.executable, BENCHMARK, *asked], stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    assert found["ratio_to_plain_loop"] > to_plain_loop, found["rates"]
    assert found["ratio_to_bare_network"] > to_bare_network, found["rates"]
    assert found["command"]["peak_mb"] < MOST_MB
