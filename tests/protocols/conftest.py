"""Corpora of synthetic features: Gaussians, one a class, and the tasks made of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from faunashot.backbones.store import Features, Maker
from faunashot.params import ProtocolParams
from faunashot.protocols.base import Task, WindowTable
from faunashot.systems.catalogue import System

DIM = 8
MAKER = Maker("fake", "1", "0" * 64, 16_000, 1.0, 1.0, DIM)
PARAMS = ProtocolParams(
    name="few_shot",
    k=2,
    curve=[1, 4],
    episodes=10,
    source_clips=3,
    zero_shot="ontology",
    shuffles=50,
)


def make_clips(per_class: dict[str, int], *, folds: int = 5) -> pd.DataFrame:
    """Clips dealt to folds in turn, two a group where the fold is the same."""
    rows = [
        (f"{label}{n}", label, str(1 + n % folds), f"{label}-{n % folds}-{n // (2 * folds)}")
        for label, count in per_class.items()
        for n in range(count)
    ]
    return pd.DataFrame(rows, columns=["clip_id", "label", "fold", "group"])


def make_windows(
    clips: pd.DataFrame, *, apart: float, windows: int = 2, seed: int = 0
) -> WindowTable:
    """Features of `windows` a clip around the class' own axis, `apart` from the origin."""
    rng = np.random.default_rng(seed)
    axis = {label: n % DIM for n, label in enumerate(sorted(set(clips["label"])))}
    rows = clips.loc[clips.index.repeat(windows)]
    values = rng.normal(size=(len(rows), DIM))
    values[np.arange(len(rows)), [axis[label] for label in rows["label"]]] += apart
    start = np.tile(np.arange(windows, dtype=float), len(clips))
    index = pd.DataFrame({"clip_id": rows["clip_id"], "start_s": start, "end_s": start + 1})
    features = Features(values.astype(np.float32), index.reset_index(drop=True), MAKER)
    return WindowTable(clips, features)


@pytest.fixture
def params() -> Callable[..., ProtocolParams]:
    """Parameters of a protocol, with changes."""
    return lambda **changes: PARAMS.model_copy(update=changes)


@pytest.fixture
def clips() -> Callable[..., pd.DataFrame]:
    return make_clips


@pytest.fixture
def table() -> Callable[..., WindowTable]:
    return make_windows


@pytest.fixture
def task() -> Callable[..., Task]:
    """A task on clips, or on a ready table; without a source unless one is given."""

    def make(
        target: pd.DataFrame | WindowTable,
        *,
        source: WindowTable | None = None,
        system: System | None = None,
        apart: float = 6.0,
        seed: int = 42,
    ) -> Task:
        if isinstance(target, pd.DataFrame):
            target = make_windows(target, apart=apart)
        nothing = make_clips({})
        return Task(
            target=target,
            source=source or make_windows(nothing, apart=0),
            system=system or System("prototype", "prototype", {"temperature": 1.0}),
            seed=seed,
        )

    return make
