"""How recordings are read is a parameter of the pipeline, and of the model that it leaves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from pipeline_project import PITCH_HZ, RATE, call, change, label_rows, new_project, own_line, tone

from faunashot.errors import AudioError
from faunashot.features import store
from faunashot.recogniser import Recogniser


def inverted(root: Path) -> None:
    """Three classes of ten clips, whose channels cancel each other out."""
    rows = []
    for label in PITCH_HZ:
        for number in range(10):
            rows.append((f"{label}-{number}.wav", label, 1 + number % 5))
            one = tone(label, number, seconds=1.0, rate=10 * RATE)
            sf.write(root / rows[-1][0], np.stack([one, -one], axis=1), 10 * RATE)
    label_rows(root, rows)


@pytest.mark.slow
def test_a_channel_and_a_time_expansion_are_those_of_the_model(tmp_path) -> None:
    project = new_project(tmp_path / "project", inverted)

    def stage(name: str):
        return call(project, sys.executable, "-m", "faunashot.pipeline", name)

    said = own_line(stage("ingest").stderr)
    assert "folder: 30 of 30 clips are bad" in said
    assert "its channels cancel each other out" in said
    change(project, audio={"channel": "left", "time_expansion": 10})
    for name in ("ingest", "audit", "embed", "train"):
        done = stage(name)
        assert done.returncode == 0, done.stderr
    report = json.loads((project / "reports/ingest.json").read_text("utf-8"))["folder"]
    assert (report["clips"], report["silent"]) == (30, 0)
    features = store.load(next(project.glob("features/**/meta.json")).parent)
    assert (features.spec.channel, features.spec.time_expansion) == ("left", 10)
    assert features.index["end_s"].max() == 1.0
    model = Recogniser.load(project / "models" / "logmel_stats-rectified")
    assert model.record.backbones[0].reading == {"channel": "left", "time_expansion": 10}
    heard = model.recognise(project / "data/recordings/owl-0.wav")
    assert heard.windows[-1][1] == 1.0
    sf.write(
        tmp_path / "silent.wav", np.stack([np.zeros(RATE), tone("owl", 1, seconds=1)], 1), RATE
    )
    with pytest.raises(AudioError, match="digital silence in channel left"):
        model.recognise(tmp_path / "silent.wav")
