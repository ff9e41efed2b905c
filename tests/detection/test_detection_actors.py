"""What an actor of a cluster does with recordings is what this process does with them."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from detecting import LOGMEL, trained, write_night

from faunashot.cli.detect import _on_node
from faunashot.detection.cluster import _Actor, _groups
from faunashot.detection.job import Detector
from faunashot.detection.parts import Parts
from faunashot.detection.settings import DetectionSettings
from faunashot.detection.survey import survey


def test_an_actor_writes_the_parts_that_this_process_writes(tmp_path: Path) -> None:
    trained(LOGMEL, folder=tmp_path / "clips").save(tmp_path / "model")
    for n in range(2):
        write_night(tmp_path / "night" / f"{n}.wav", [(1, 2, "frog")], seconds=4, seed=n)
    recordings, refused = survey([tmp_path / "night"])
    assert refused == {}
    detector = partial(Detector, settings=DetectionSettings(), timezone=None)
    load = partial(_on_node, {"model": str(tmp_path / "model")}, detector)
    sent = pickle.loads(pickle.dumps((load, Parts(tmp_path / "far"), recordings)))
    steps = _Actor(*sent[:2])({"recordings": sent[2]})["steps"]
    assert sum(step.seconds for step in steps) == pytest.approx(8.0)
    assert [step.detected.below for step in steps if step.detected] == ["0.wav", "1.wav"]
    here = Parts(tmp_path / "here")
    list(load()(recordings, here))
    for recording in recordings:
        events = [of.events(recording.file) for of in (here, Parts(tmp_path / "far"))]
        assert "frog" in set(events[0]["label"])
        pd.testing.assert_frame_equal(*events)


def test_recordings_are_handed_out_by_the_half_hour() -> None:
    from faunashot.detection.survey import Recording

    nights = [Recording(str(n), str(n), Path(str(n)), (1, 1), s) for n, s in enumerate(LENGTHS_S)]
    assert [[r.file for r in group] for group in _groups(nights)] == [["0", "1"], ["2"], ["3"]]


LENGTHS_S = [900.0, 1000.0, 5000.0, 10.0]
