"""Shortcuts: a recorder that goes with the label is found, one that does not is not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faunashot.audio.decode import decode
from faunashot.audio.equalise import Equaliser
from faunashot.audio.levels import bandwidth_hz, level_db, noise_floor_db
from faunashot.data import shortcuts
from faunashot.data.corpora import create
from faunashot.data.ingest import MEASURED, ingest
from faunashot.data.shortcuts import FACTS, HEADER, shortcut_score
from faunashot.native import quiet_native


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested needs no more."""
    monkeypatch.setattr(shortcuts, "TREES", 15)


def corpus(n: int = 90, *, classes: int = 3, seed: int = 0) -> pd.DataFrame:
    """Clips of recordings that say nothing of the label, each from its own source."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "clip_id": [f"c{i:03}" for i in range(n)],
            "label": [f"label{i % classes}" for i in range(n)],
            "fold": "1",
            "group": [f"g{i}" for i in range(n)],
            "sample_rate": rng.choice([8_000, 44_100], n),
            "bit_depth": rng.choice([8, 16], n),
            "codec": rng.choice(["WAV/PCM_16", "WAV/PCM_U8"], n),
            "channels": rng.choice([1, 2], n),
            "duration_s": rng.uniform(1, 5, n),
            "rms_db": rng.uniform(-40, -10, n),
            "noise_floor_db": rng.uniform(-80, -40, n),
            "bandwidth_hz": rng.uniform(3_000, 20_000, n),
        }
    )


def test_every_fact_is_measured_by_ingest():
    assert set(FACTS) <= set(MEASURED)
    assert set(HEADER) < set(FACTS)


def test_a_recorder_that_says_nothing_scores_at_chance():
    found = shortcut_score(corpus(), seed=1)
    assert found["largest_class"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["macro_f1"] < 0.5
    assert found["chance_macro_f1"] < 0.5


@pytest.mark.parametrize("fact", ["codec", "noise_floor_db"])
def test_a_recorder_that_goes_with_the_label_is_found_and_named(fact):
    clips = corpus()
    of_label = clips["label"].str[-1].astype(int)
    clips[fact] = "WAV/" + clips["label"] if fact == "codec" else -80.0 + 10 * of_label
    found = shortcut_score(clips, seed=1)
    assert found["accuracy"] > 0.95
    assert next(iter(found["importance"])) == fact
    assert found["importance"][fact] > 0.4
    assert found["chance_accuracy"] < 0.5
    assert (found["header"]["accuracy"] > 0.95) == (fact == "codec")


def test_copies_stay_together_so_that_they_tell_nothing():
    once = corpus(45)
    copies = [once.assign(clip_id=once["clip_id"] + copy) for copy in "abcd"]
    clips = pd.concat(copies, ignore_index=True)
    assert shortcut_score(clips, seed=1)["accuracy"] < 0.6
    leaking = clips.assign(group=clips["clip_id"])
    assert shortcut_score(leaking, seed=1)["accuracy"] > 0.95


def test_the_score_is_json_and_is_the_same_again():
    clips = corpus(30)
    found = shortcut_score(clips, seed=3)
    assert json.loads(json.dumps(found)) == found
    assert shortcut_score(clips, seed=3) == found
    assert list(found["importance"].values()) == sorted(found["importance"].values(), reverse=True)


@pytest.mark.parametrize("clips", [corpus(0), corpus(9, classes=1), corpus(3)])
def test_a_corpus_that_cannot_be_scored_says_so(clips):
    found = shortcut_score(clips, seed=1)
    assert set(found) == {"skipped"}
    assert found["skipped"]


@pytest.mark.slow
@pytest.mark.shared
def test_equalised_animals_give_away_little_of_what_their_recorders_did(shared: Path):
    root = shared / "data" / "animals-sounds"
    with quiet_native():
        clips = ingest(create("animals_sounds"), root).clips
        audio = [decode(root / path) for path in clips["path"]]
    clips["group"] = clips.groupby("sound_sha256")["group"].transform("first")
    equalise = Equaliser()
    equal = [equalise(a.mono(), a.sample_rate) for a in audio]
    hidden = clips.assign(
        sample_rate=[rate_hz for _, rate_hz in equal],
        bit_depth=32,
        codec="WAV/FLOAT",
        channels=1,
        duration_s=[len(samples) / rate_hz for samples, rate_hz in equal],
        rms_db=[level_db(samples) for samples, _ in equal],
        noise_floor_db=[noise_floor_db(*one) for one in equal],
        bandwidth_hz=[bandwidth_hz(*one) for one in equal],
    )
    before, after = shortcut_score(clips, seed=42), shortcut_score(hidden, seed=42)
    above = [found["macro_f1"] - found["chance_macro_f1"] for found in (before, after)]
    assert above[0] > 0.2
    assert above[1] < above[0] / 2
    assert before["header"]["macro_f1"] > before["chance_macro_f1"] + 0.1
    assert after["header"]["macro_f1"] < after["chance_macro_f1"]


def test_of_several_labels_a_clip_it_is_skipped_with_the_reason():
    clips = pd.DataFrame({"label": ["frog;owl", "owl"], "multi_label": True})
    assert "several classes" in shortcut_score(clips, seed=0)["skipped"]
