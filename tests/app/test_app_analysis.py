"""What the page shows of a recording."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from faunashot.app.analysis import LONGEST_S, analyse, figure_of, png_of
from faunashot.app.training_clips import TrainingClips
from faunashot.detection.settings import DetectionSettings
from faunashot.errors import AudioError
from faunashot.recogniser import Recogniser

SETTINGS = DetectionSettings()


def test_windows_and_events_are_those_of_the_recogniser(
    recogniser: Recogniser, night: Path
) -> None:
    found = analyse(recogniser, night.read_bytes(), settings=SETTINGS)
    said = [list(scores.values()) for *_, scores in found.recognition.windows]
    np.testing.assert_allclose(found.windows.scores, said)
    assert list(found.events["label"]) == ["frog", "wren"]
    frog, wren = found.events.itertuples()
    assert frog.start_s == 0
    assert wren.end_s == pytest.approx(4, abs=0.5)
    assert frog.end_s == pytest.approx(2, abs=1)


def test_a_threshold_that_nothing_reaches_leaves_no_event(
    recogniser: Recogniser, night: Path
) -> None:
    settings = DetectionSettings(thresholds={"": 1.0})
    assert analyse(recogniser, night.read_bytes(), settings=settings).events.empty


@pytest.mark.parametrize("settings", [SETTINGS, DetectionSettings(thresholds={"": 1.0})])
def test_it_is_drawn_with_and_without_events(
    recogniser: Recogniser, night: Path, settings: DetectionSettings, tmp_path: Path
) -> None:
    found = analyse(recogniser, night.read_bytes(), settings=settings)
    figure = figure_of(found, recogniser.classes, fmax_hz=5000)
    assert len(figure.axes[1].patches) == len(found.events)
    assert figure.axes[0].get_ylim() == (0, 5)
    (tmp_path / "a.png").write_bytes(png_of(figure))
    assert matplotlib.image.imread(tmp_path / "a.png").shape[1] == 1200


def test_what_is_too_long_is_refused(
    recogniser: Recogniser, night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LONGEST_S == 1800
    monkeypatch.setattr("faunashot.app.analysis.LONGEST_S", 3.0)
    with pytest.raises(AudioError, match="faunashot detect"):
        analyse(recogniser, night.read_bytes(), settings=SETTINGS)


def test_the_nearest_clips_come_first(recogniser: Recogniser, night: Path) -> None:
    features = recogniser.features(night.read_bytes())
    own = np.asarray(features.windows).mean(axis=0)
    other = np.random.default_rng(0).normal(size=own.shape)
    rows = np.stack([other, 2 * own, own + other]).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    clips = pd.DataFrame({"label": ["a", "b", "c"], "path": ["a.wav", "b.wav", "c.wav"]})
    found = TrainingClips(clips, unit).nearest(features, n=2)
    assert list(found["label"]) == ["b", "c"]
    assert found["similarity"].iloc[0] == pytest.approx(1, abs=1e-5)


def test_features_of_another_kind_are_near_nothing(recogniser: Recogniser, night: Path) -> None:
    clips = pd.DataFrame({"label": ["a"], "path": ["a.wav"]})
    found = TrainingClips(clips, np.ones((1, 3), np.float32)).nearest(
        recogniser.features(night.read_bytes())
    )
    assert list(found.columns) == ["label", "path", "similarity"]
    assert found.empty


def test_outside_a_project_there_are_no_training_clips(
    recogniser: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert TrainingClips.of_project(recogniser) is None
