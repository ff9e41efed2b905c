"""Models that tell frogs from wrens by pitch, and nights in which they call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.estimators.unknown import Novelty, threshold_at
from faunashot.features.extract import embed_recording
from faunashot.features.extractors import extractor
from faunashot.features.join import join
from faunashot.recogniser import Recogniser
from faunashot.systems.record import (
    BackboneRecord,
    ClassThreshold,
    Temperature,
    TrainedSystem,
    UnknownThreshold,
)

RATE = 32_000
PITCH_HZ = {"frog": 400, "wren": 3000}
LOGMEL = ("logmel_stats", {"hop_s": 0.5})
PATCHES = ("mel_patches", {"hop_s": 0.48})


def sound(calls: Sequence[tuple[float, float, str]], *, seconds: float, seed: int = 0):
    """Noise with calls in it, each from a second to a second."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.01, round(seconds * RATE))
    for start_s, end_s, name in calls:
        at = np.arange(round(start_s * RATE), round(end_s * RATE))
        samples[at] += 0.3 * np.sin(2 * np.pi * PITCH_HZ[name] * at / RATE)
    return samples


def write_night(
    file: Path, calls: Sequence[tuple[float, float, str]], *, seconds: float, seed: int = 0
) -> Path:
    """Write such a recording."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sf.write(file, sound(calls, seconds=seconds, seed=seed), RATE)
    return file


def trained(
    *backbones: tuple[str, Mapping[str, Any]],
    background: bool = False,
    folder: Path,
    **more: Any,
) -> Recogniser:
    """A head on the features of front ends, of frogs, wrens and quiet."""
    made = [extractor(name, options=options) for name, options in backbones or [LOGMEL]]
    files, labels = [], []
    for seed in range(4):
        for name in PITCH_HZ:
            file = folder / f"{name}-{seed}.wav"
            files.append(write_night(file, [(0, 2, name)], seconds=2, seed=seed))
            labels.append(name)
        files.append(write_night(folder / f"quiet-{seed}.wav", [], seconds=2, seed=90 + seed))
        labels.append("quiet")
    X = np.stack([_mean(file, made) for file in files])
    head = make_head("logistic", {"C": 1.0}).fit(Examples.of_rows(X, labels))
    novelty = unknown = None
    if background:
        rng = np.random.default_rng(5)
        for n in range(10):
            sf.write(folder / f"other-{n}.wav", rng.normal(0, 0.1, 2 * RATE), RATE)
        others = np.stack([_mean(folder / f"other-{n}.wav", made) for n in range(10)])
        novelty = Novelty().fit(X, labels, background=others)
        unknown = UnknownThreshold(
            threshold=threshold_at(novelty.background_scores_, 0.1),
            false_alarm_rate=0.1,
            recordings=10,
            background="noise",
        )
    record = TrainedSystem(
        estimator="head",
        backbones=[
            BackboneRecord(name=b.name, layer=b.layer, options=o, weights_hash=b.weights_hash)
            for b, (_, o) in zip(made, backbones or [LOGMEL], strict=True)
        ],
        classes=sorted([*PITCH_HZ, "quiet"]),
        temperature=Temperature(value=1.3, clips=8),
        thresholds={"frog": ClassThreshold(value=0.6, source="validation", n=12)},
        unknown=unknown,
        **more,
    )
    return Recogniser(head, record, novelty)


def _mean(file: Path, made: Sequence[Any]) -> np.ndarray:
    features = join([embed_recording(file, each) for each in made])
    return Examples.of_recording(features, ["x"]).means()[0]
