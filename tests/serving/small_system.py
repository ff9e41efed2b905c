"""A small system that needs no weights: a head on log-mel statistics that tells tones apart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile as sf

from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.features.extract import embed_recording
from faunashot.features.extractors import extractor
from faunashot.recogniser import Recogniser
from faunashot.systems.record import BackboneRecord, TrainedSystem

RATE = 16_000
PITCH_HZ = {"frog": 400, "wren": 3000}


def tone(label: str, *, seconds: float = 1.0, seed: int = 0, kind: str = "WAV") -> bytes:
    """A file of a call."""
    noise = np.random.default_rng(seed).normal(0, 0.01, round(seconds * RATE))
    call = 0.3 * np.sin(2 * np.pi * PITCH_HZ[label] * np.arange(len(noise)) / RATE)
    file = io.BytesIO()
    sf.write(file, call + noise, RATE, format=kind)
    return file.getvalue()


def small_system() -> Recogniser:
    """Learn a frog's and a wren's tone."""
    source = extractor("logmel_stats", options={"hop_s": 0.5})
    learned = [(label, tone(label, seed=seed)) for label in PITCH_HZ for seed in range(4)]
    rows = [embed_recording(audio, source).windows.mean(axis=0) for _, audio in learned]
    head = make_head("logistic", {"C": 1.0})
    head.fit(Examples.of_rows(np.stack(rows), [label for label, _ in learned]))
    made_with = BackboneRecord(
        name=source.name, options={"hop_s": 0.5}, weights_hash=source.weights_hash
    )
    return Recogniser(
        head, TrainedSystem(estimator="head", backbones=[made_with], classes=sorted(PITCH_HZ))
    )


def save_small_system(folder: Path) -> None:
    """Write it where `faunashot serve` reads it."""
    small_system().save(folder)
