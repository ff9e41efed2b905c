"""A served clip, the windows of a recording and an evaluated clip get the same scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from faunashot.audio.altered import Shift
from faunashot.estimators.calibration import temper
from faunashot.features.extract import embed_clips
from faunashot.features.extractors import extractor
from faunashot.features.store import Features
from faunashot.protocols.fine_tune import FineTune
from faunashot.protocols.support.scoring import scored
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task
from faunashot.recogniser import Recogniser
from faunashot.systems.catalogue import System, system
from faunashot.systems.record import BackboneRecord, TrainedSystem
from faunashot.targets import join_names

RATE = 16_000
PITCH_HZ = {"frog": 400, "owl": 900, "wren": 3000}
LIGHTGBM = replace(system("lightgbm"), settings={"rounds": 20, "min_data_in_leaf": 2})
SYSTEMS = [
    system("standardised"),
    system("logistic-windows"),
    system("attentive"),
    system("prototypical"),
    pytest.param(LIGHTGBM, marks=pytest.mark.lightgbm),
    System("both", "ensemble", members=("prototype", "logistic-windows")),
]


def sound(names: list[str], *, seed: int) -> np.ndarray:
    """Calls of these animals over noise, of a length of its own: the last window is cut short."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(rng.uniform(1.2, 2.8) * RATE)) / RATE
    samples = rng.normal(0, 0.05, len(t))
    for name in names:
        started = rng.uniform(0, 0.8)
        on = (t > started) & (t < started + 0.5)
        samples += 0.2 * on * np.sin(2 * np.pi * PITCH_HZ[name] * rng.uniform(0.95, 1.05) * t)
    return samples


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, WindowTable]:
    """Forty recordings, a file each, and their features; every fourth is of two animals."""
    folder, rows = tmp_path_factory.mktemp("recordings"), []
    for n in range(40):
        names = [list(PITCH_HZ)[n % 3]]
        if n % 4 == 0:
            names.append(list(PITCH_HZ)[(n + 1) % 3])
        sf.write(folder / f"{n}.wav", sound(names, seed=n), RATE)
        rows.append((str(n), folder / f"{n}.wav", names[0], join_names(names)))
    clips = pd.DataFrame(rows, columns=["clip_id", "file", "label", "labels"])
    clips = clips.assign(fold=[str(1 + n % 5) for n in range(40)], group=clips["clip_id"])
    features = embed_clips(list(zip(clips["clip_id"], clips["file"], strict=True)), SOURCE)
    return clips, WindowTable(clips, features)


SOURCE = extractor("logmel_stats", options={"hop_s": 0.5})
SHIFTS = [0.1, -0.1]


@pytest.fixture(scope="module")
def shifted(recordings: tuple[pd.DataFrame, WindowTable]) -> list[Features]:
    """Features of the recordings moved in time."""
    clips = list(zip(recordings[0]["clip_id"], recordings[0]["file"], strict=True))
    return [embed_clips(clips, SOURCE, perturbation=Shift(share)) for share in SHIFTS]


def test_shifted_copies_count_in_both(recordings, shifted, tmp_path: Path):
    agree(replace(system("standardised"), grid={}), False, recordings, tmp_path, shifted=shifted)


@pytest.mark.parametrize("several", [False, True], ids=["one label", "several"])
@pytest.mark.parametrize("of", SYSTEMS, ids=lambda of: of.name)
def test_one_code_path_scores_them(of, several, recordings, tmp_path: Path):
    agree(of, several, recordings, tmp_path)


def agree(of, several, recordings, tmp_path: Path, *, shifted: Sequence[Features] = ()) -> None:
    """Train a system, and compare what is served of recordings with what is scored of them."""
    clips, table = recordings
    if several:
        clips = clips.assign(label=clips["labels"], multi_label=True)
    table = WindowTable(clips, table.features, multi_label=several, shifted=shifted)
    task = Task(table, table.none(), of, seed=1)
    outcome = FineTune().run(task)
    made_with = BackboneRecord(
        name=SOURCE.name, options={"hop_s": 0.5}, weights_hash=SOURCE.weights_hash
    )
    record = TrainedSystem(
        estimator=outcome.estimator.KIND,
        backbones=[made_with],
        shifts=SHIFTS if shifted else [],
        classes=outcome.classes,
        multi_label=several,
        temperature=outcome.temperature,
    )
    Recogniser(outcome.estimator, record).save(tmp_path / "model")
    served = Recogniser.load(tmp_path / "model")
    temperature = outcome.temperature.value
    assert temperature != 1
    ids = clips["clip_id"].tolist()[::4]
    evaluated = scored(task, outcome.estimator, ids, temperature=temperature)
    columns = [f"p_{name}" for name in outcome.classes]
    for clip_id, row in zip(ids, evaluated.clips[columns].to_numpy(), strict=True):
        file = clips["file"][int(clip_id)]
        found = served.recognise(file)
        probabilities = [found.probabilities[name] for name in outcome.classes]
        np.testing.assert_allclose(probabilities, row, atol=1e-6)
        of_clip = evaluated.windows[evaluated.windows["clip_id"] == clip_id]
        expected = temper(of_clip[columns], temperature, multi_label=several)
        assert len(found.windows) == len(expected) > 1
        windows = [[scores[name] for name in outcome.classes] for *_, scores in found.windows]
        np.testing.assert_allclose(windows, expected, atol=1e-6)
        assert [span[:2] for span in found.windows] == [
            tuple(span) for span in of_clip[["start_s", "end_s"]].to_numpy()
        ]
        assert list(served.window_scores(file)) == found.windows
        if several:
            sure = [name for name, p in found.probabilities.items() if p >= 0.5]
            assert found.label == join_names(sure)
        else:
            assert found.label == outcome.classes[int(row.argmax())]
