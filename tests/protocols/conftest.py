"""Corpora of synthetic features: Gaussians, one a class, and the tasks made of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from faunashot.features.store import Features, FeatureSpec
from faunashot.params import Params, load_params
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Learn, Task
from faunashot.systems.catalogue import System, system

DIM = 8
SPEC = FeatureSpec("fake", "1", "0" * 64, 16_000, 1.0, 1.0, DIM)
PROTOCOL = {"name": "few_shot", "k": 2, "transfer": "joint"}
OPTIONS = {
    "few_shot": {"k_values": [1, 4], "episodes": 5, "source_clips": 3},
    "fine_tune": {},
    "zero_shot": {"mode": "ontology", "shuffles": 50, "class_map": None},
}

PROTOTYPE = system("prototype")


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
    features = Features(values.astype(np.float32), index.reset_index(drop=True), SPEC)
    return WindowTable(clips, features)


def make_table(clips: pd.DataFrame, values: np.ndarray) -> WindowTable:
    """Features given as one window a clip."""
    spec = FeatureSpec("fake", "1", "0" * 64, 16_000, 1.0, 1.0, values.shape[1])
    index = clips[["clip_id"]].assign(start_s=0.0, end_s=1.0)
    return WindowTable(clips, Features(values.astype(np.float32), index, spec))


@pytest.fixture(scope="session")
def params() -> Callable[..., Params]:
    """All parameters, with changes of the protocol's and of its options."""
    return all_params


def all_params(**changes: Any) -> Params:
    """The project's own parameters, the protocol's replaced; each change goes to its block."""
    whole = load_params(Path(__file__).parents[2] / "params.yaml").model_dump()
    whole["protocol"] |= PROTOCOL
    whole["protocols"] = copy.deepcopy(OPTIONS)
    blocks = {"protocol": whole["protocol"], "unknown": whole["unknown"], **whole["protocols"]}
    for key, value in changes.items():
        (owner,) = (name for name, block in blocks.items() if key in block)
        blocks[owner][key] = value
    return Params.model_validate(whole)


@pytest.fixture(scope="session")
def clips() -> Callable[..., pd.DataFrame]:
    return make_clips


@pytest.fixture(scope="session")
def table() -> Callable[..., WindowTable]:
    return make_windows


@pytest.fixture(scope="session")
def of_values() -> Callable[..., WindowTable]:
    return make_table


@pytest.fixture(scope="session")
def task() -> Callable[..., Task]:
    """A task on clips, or on a ready table; without a source unless one is given."""

    def make(
        target: pd.DataFrame | WindowTable,
        *,
        source: WindowTable | None = None,
        system: System = PROTOTYPE,
        apart: float = 6.0,
        seed: int = 42,
        **more: Any,
    ) -> Task:
        if isinstance(target, pd.DataFrame):
            target = make_windows(target, apart=apart)
        return Task(
            target=target,
            source=source or target.none(),
            system=system,
            seed=seed,
            **more,
        )

    return make


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[Learn]:
    """What every head learned from that a task fitted, in order."""
    seen: list[Learn] = []
    fit = Task.fit

    def noted(task: Task, sets: list[Learn], **settings: Any) -> Any:
        seen.extend(sets)
        return fit(task, sets, **settings)

    monkeypatch.setattr(Task, "fit", noted)
    return seen
