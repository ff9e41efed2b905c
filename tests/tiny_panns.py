"""A network as PANNs are built, of one block, and windows that it learns from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from windowed import windowed

from faunashot.backbones._panns.model import Panns
from faunashot.backbones._panns.network import conv_block
from faunashot.estimators.examples import Examples
from faunashot.estimators.training import panns
from faunashot.estimators.windows.from_waveforms import FromWaveforms
from faunashot.runtimes.published_layers import PublishedLayers
from faunashot.targets import join_names

RATE = 16_000
SAMPLES = 8_000
PITCH_HZ = {"cat": 500, "frog": 1200, "hen": 2400, "owl": 4500}


class Tiny(Panns):
    """One block."""

    layers: ClassVar = {"embedding": 8}

    @classmethod
    def convolutions(cls, of: PublishedLayers, *images: Any) -> Any:
        """A block of CNN14 with few filters."""
        (image,) = images
        return conv_block(of, image, "conv_block1", 8)


def use_tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every network be the tiny one."""
    monkeypatch.setattr(panns, "panns_kind", lambda name: Tiny)


def model(**settings: Any) -> FromWaveforms:
    """A short training with all that is drawn."""
    short = {"steps": 6, "steps_per_epoch": 2, "batch_size": 8, "mask_frames": 8, "decay": True}
    return FromWaveforms(**{"seed": 3, **short, **settings})


def calls(n: int, *, seed: int, several: bool = True) -> Examples:
    """Clips of half a second in which none, one or several animals call at their pitch."""
    rng = np.random.default_rng(seed)
    names, pitches = np.array(list(PITCH_HZ)), np.array(list(PITCH_HZ.values()))
    is_of = rng.random((n, len(names))) < 0.4
    if not several:
        is_of = np.eye(len(names), dtype=bool)[np.arange(n) % len(names)]
    t = np.arange(SAMPLES) / RATE
    X = 0.02 * rng.standard_normal((n, SAMPLES))
    for row, of in zip(X, is_of, strict=True):
        for pitch_hz in pitches[of]:
            start_s = rng.uniform(0, 0.3)
            there = (t > start_s) & (t < start_s + 0.2)
            call = np.sin(2 * np.pi * pitch_hz * rng.uniform(0.85, 1.15) * t)
            row += rng.uniform(0.05, 0.2) * call * there
    made = windowed(
        (X.clip(-1, 1) * 32767).astype(np.int16),
        [join_names(names[of]) for of in is_of],
        multi_label=several,
    )
    spec = replace(made.features.spec, window_s=SAMPLES / RATE)
    return replace(made, features=replace(made.features, spec=spec))
