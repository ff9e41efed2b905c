"""The condition noise: every clip under noise, and in one line what is wrong with it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from pipeline_project import RATE, call, change, embedded_now, new_project, own_line, ten_a_class

from faunashot.features import store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose clips are embedded at two ratios, under noise shorter than they are."""
    project = new_project(tmp_path_factory.mktemp("noisy"), ten_a_class)
    (project / "data/wind").mkdir()
    for number, seconds in enumerate((0.7, 6.0)):
        noise = np.random.default_rng(number).normal(0, 0.1, round(seconds * RATE))
        sf.write(project / f"data/wind/{number}.wav", noise, RATE)
    change(project, noise__root="data/wind", conditions__noise__snr_db=[20, 0])
    done = call(project, "dvc", "repro", "embed")
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture
def copy(noisy: Path, tmp_path: Path) -> Path:
    return shutil.copytree(noisy, tmp_path / "copy", symlinks=True)


def test_every_clip_is_embedded_at_every_ratio(noisy):
    recorded = store.load(noisy / "features/main/folder/logmel_stats")
    names = ("snr_20", "snr_0")
    parts = [store.load(noisy / f"features/{name}/folder/logmel_stats") for name in names]
    assert {folder.name for folder in (noisy / "features").iterdir()} == {"main", *names}
    further = [np.abs(np.asarray(part.windows) - recorded.windows).mean() for part in parts]
    assert 0 < further[0] < further[1]
    for part in parts:
        pd.testing.assert_frame_equal(part.index, recorded.index)
        assert part.spec == recorded.spec


def test_only_a_further_ratio_is_embedded(copy):
    change(copy, conditions__noise__snr_db=[20, 2.5])
    done = call(copy, "dvc", "repro", "embed")
    assert embedded_now(done.stderr) == {"folder": 0, "folder, snr_20": 0, "folder, snr_2.5": 210}
    assert {f.name for f in (copy / "features").iterdir()} == {"main", "snr_20", "snr_2.5"}
    change(copy, conditions__noise__snr_db=[])
    assert call(copy, "dvc", "repro", "embed").returncode == 0
    assert {folder.name for folder in (copy / "features").iterdir()} == {"main"}


def _own(project: Path) -> None:
    change(project, noise__root="data/none")


def _emptied(project: Path) -> None:
    shutil.rmtree(project / "data/wind")
    (project / "data/wind").mkdir()


def _gone(project: Path) -> None:
    shutil.rmtree(project / "data/wind")


def _silent(project: Path) -> None:
    sf.write(project / "data/wind/calm.wav", np.zeros(RATE), RATE)


def _text(project: Path) -> None:
    (project / "data/wind/calm.wav").write_text("no sound\n" * 99)


WRONG: dict[str, tuple[Callable[[Path], None], str]] = {
    "none of its own": (_own, "noise.root: folder has no Noise/Wind of its own; name a folder of "),
    "an empty folder": (_emptied, "noise.root: data/wind holds no recordings; name a folder of "),
    "no folder": (_gone, "noise.root: data/wind holds no recordings; name a folder of "),
    "silence": (_silent, "data/wind/calm.wav is silent at 16000 Hz, which is no noise to mix in"),
    "text": (_text, "data/wind/calm.wav: "),
}


@pytest.mark.parametrize("harm", WRONG)
def test_what_is_wrong_with_the_noise_is_said_in_one_line(harm, copy):
    damage, said = WRONG[harm]
    damage(copy)
    done = call(copy, sys.executable, "stages/embed.py")
    assert done.returncode == 1
    assert own_line(done.stderr).startswith(said)
