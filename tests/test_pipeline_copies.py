"""A run with altered copies to learn from and shifted ones to score, under a condition too."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pipeline_project import call, change

from faunashot.audio.altered import AlteredCopy, InTurn, Shift
from faunashot.audio.equalise import Equaliser
from faunashot.features import store
from faunashot.features.extract import embed_clips
from faunashot.features.extractors import extractor
from faunashot.recogniser import Recogniser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHIFTED = Shift(0.2)
COPY = AlteredCopy(1, 6.0, 0.2, (10.0, 25.0))
EMBEDDED = {
    "main": None,
    "main.copy_1": COPY,
    "main.shift_1": SHIFTED,
    "equalised": Equaliser(),
    "equalised.copy_1": InTurn(Equaliser(), COPY),
    "equalised.shift_1": InTurn(Equaliser(), SHIFTED),
}


def test_copies_are_embedded_learned_from_scored_and_served(copy):
    before = json.loads((copy / "models/logmel_stats-rectified/model.json").read_text())
    assert not {"shifts", "augment"} & {*before, *before["system"]}
    change(copy, augment={"copies": 1, "tta_shifts": 1, "shift": 0.2, "gain_db": None})
    change(copy, conditions__equalised__score=True)
    done = call(copy, "dvc", "repro", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    source = extractor("logmel_stats", options={"hop_s": 0.5})
    clips = [("wren-0.wav", copy / "data/recordings/wren-0.wav")]
    assert {each.name for each in (copy / "features").iterdir()} == EMBEDDED.keys()
    for name, perturbation in EMBEDDED.items():
        found = store.load(copy / "features" / name / "folder" / "logmel_stats")
        rows = (found.index["clip_id"] == clips[0][0]).to_numpy()
        expected = embed_clips(clips, source, perturbation=perturbation)
        np.testing.assert_array_equal(found.windows[rows], expected.windows)
    model = Recogniser.load(copy / "models/logmel_stats-rectified")
    assert model.record.shifts == [0.2]
    asked = {"copies": 1, "tta_shifts": 1, "gain_db": 6.0, "shift": 0.2, "snr_db": [10.0, 25.0]}
    assert model.record.system["augment"] == asked
    views = [embed_clips(clips, source), embed_clips(clips, source, perturbation=SHIFTED)]
    alone = [model.scores(view).clips for view in views]
    together = model.recognise(clips[0][1]).probabilities
    assert np.abs(alone[0] - alone[1]).max() > 1e-4
    assert list(together.values()) != pytest.approx(alone[0][0].tolist(), abs=1e-5)
    assert done.stderr.count("embedded now") >= 6
