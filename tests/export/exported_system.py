"""A network with drawn weights as a trained system, which needs no weights to be downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from faunashot.estimators.windows.from_scratch import FromScratch
from faunashot.export.windows import LabelledClip
from faunashot.features.extractors import extractor
from faunashot.recogniser import Recogniser
from faunashot.systems.record import BackboneRecord, Temperature, TrainedSystem

RATE = 16_000
CLASSES = ["frog", "owl", "wren"]


def small_system(**settings: Any) -> Recogniser:
    """A small network on spectrograms of 16 s, its weights as drawn."""
    estimator = FromScratch(seed=3, threads=1, **settings)
    estimator.classes_ = np.asarray(CLASSES)
    estimator.multi_label_, estimator.history_ = False, [{"epoch": 1}]
    estimator._build()
    source = extractor("logmel_frames")
    record = TrainedSystem(
        estimator="from_scratch",
        backbones=[
            BackboneRecord(
                name=source.name, options={"hop_s": 16.0}, weights_hash=source.weights_hash
            )
        ],
        classes=CLASSES,
        temperature=Temperature(value=0.5, clips=30),
        corpus="made up",
        learned_from=["0"],
    )
    return Recogniser(estimator, record)


def recordings(folder: Path, *, n: int = 3) -> list[LabelledClip]:
    """Tones over noise, of different lengths."""
    made = []
    for at in range(n):
        rng = np.random.default_rng(at)
        t = np.arange(RATE * (2 + 9 * (at % 3))) / RATE
        samples = 0.2 * np.sin(2 * np.pi * (400 + 700 * (at % 3)) * t) + rng.normal(0, 0.02, len(t))
        file = folder / f"{at}.wav"
        sf.write(file, samples, RATE)
        made.append(LabelledClip(str(at), file, CLASSES[at % len(CLASSES)]))
    return made
