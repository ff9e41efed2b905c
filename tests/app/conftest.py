from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.features.extract import embed_recording
from faunashot.features.extractors import extractor
from faunashot.recogniser import Recogniser
from faunashot.systems.record import BackboneRecord, TrainedSystem

RATE = 16_000
PITCH_HZ = {"frog": 400, "wren": 3000}


def whistle(label: str, *, seconds: float = 1.0, seed: int = 0) -> bytes:
    """A WAV file of a tone in noise."""
    samples = np.random.default_rng(seed).normal(0, 0.01, round(seconds * RATE))
    samples += 0.3 * np.sin(2 * np.pi * PITCH_HZ[label] * np.arange(len(samples)) / RATE)
    file = io.BytesIO()
    sf.write(file, samples, RATE, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="session")
def recogniser() -> Recogniser:
    """Tells a low whistle from a high one."""
    logmel = extractor("logmel_stats")
    learned = [(label, seed) for label in PITCH_HZ for seed in range(4)]
    sounds = [embed_recording(whistle(label, seed=seed), logmel) for label, seed in learned]
    head = make_head("logistic", {"C": 1.0})
    means = np.stack([np.asarray(sound.windows).mean(axis=0) for sound in sounds])
    head.fit(Examples.of_rows(means, [label for label, _ in learned]))
    backbone = BackboneRecord(
        name=logmel.name, options={"hop_s": logmel.hop_s}, weights_hash=logmel.weights_hash
    )
    record = TrainedSystem(
        estimator="head", backbones=[backbone], classes=sorted(PITCH_HZ), corpus="pond"
    )
    return Recogniser(head, record)


@pytest.fixture
def model(recogniser: Recogniser, tmp_path: Path) -> Path:
    recogniser.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """Four seconds: a low whistle, then a high one."""
    parts = [sf.read(io.BytesIO(whistle(label, seconds=2)))[0] for label in PITCH_HZ]
    sf.write(tmp_path / "night.wav", np.concatenate(parts), RATE)
    return tmp_path / "night.wav"
