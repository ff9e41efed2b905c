"""A detection that is killed goes on where it was, and nothing is there twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from detecting import LOGMEL, trained, write_night

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COMMAND = "from faunashot.cli.main import main; main()"


def start(folder: Path, out: str) -> subprocess.Popen[str]:
    options = ["night", "--model", "model", "--out", out, "--one-table", "--json"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "detect", *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_detection_goes_on(tmp_path: Path) -> None:
    trained(LOGMEL, folder=tmp_path / "clips").save(tmp_path / "model")
    for n in range(6):
        write_night(tmp_path / "night" / f"{n}.wav", [(5, 7, "frog")], seconds=55, seed=n)
    running = start(tmp_path, "out")
    parts = tmp_path / "out" / ".detection" / "parts"
    try:
        while running.poll() is None and not list(parts.glob("*.parquet")):
            time.sleep(0.01)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    there = len(list(parts.glob("*.parquet")))
    assert there >= 1
    assert not list((tmp_path / "out").glob("detections*")) or running.returncode == 0
    answers = []
    for out in ("out", "undisturbed"):
        done = start(tmp_path, out)
        text, errors = done.communicate()
        assert done.returncode == 0, errors
        answers += json.loads(text)
    assert answers[0]["detected_now"] == 6 - there
    resumed, undisturbed = (
        pd.read_csv(tmp_path / out / "detections.csv") for out in ("out", "undisturbed")
    )
    pd.testing.assert_frame_equal(resumed, undisturbed)
    assert not resumed.duplicated().any()
