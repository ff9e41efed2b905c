"""AudioSet's published layout, with what goes wrong in it, through the whole pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from pipeline_project import call, change, new_project

from faunashot.data.packed import Packed
from faunashot.features import store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RATE = 4_000
IDS = {"Animal": "/m/0jbk", "Dog": "/m/0bt9lr", "Cat": "/m/01yrx", "Owl": "/m/09d5_"}
PITCH_HZ = {"Dog": 300, "Cat": 700, "Owl": 1500}
SEGMENTS = {"balanced_train_segments.csv": 24, "eval_segments.csv": 12}


def audioset(root: Path) -> None:
    """Clips of one animal or two, by pitch; a vanished video, an unknown label, an empty class."""
    nodes = [{"id": IDS["Animal"], "name": "Animal", "child_ids": [*IDS.values(), "/m/none"]}]
    nodes += [{"id": IDS[name], "name": name, "child_ids": []} for name in PITCH_HZ]
    nodes += [{"id": "/m/none", "name": "Unicorn", "child_ids": []}]
    (root / "ontology.json").write_text(json.dumps(nodes))
    for part, (table, n) in enumerate(SEGMENTS.items()):
        lines = ["# YTID, start_seconds, end_seconds, positive_labels"]
        for number in range(n):
            names = sorted({list(PITCH_HZ)[number % 3], list(PITCH_HZ)[number // 3 % 3]})
            video = f"video_{part}-{number:03}"
            ids = ",".join(IDS[name] for name in ["Animal", *names])
            lines.append(f'{video}, 30.000, 40.000, "{ids}"')
            t = np.arange(RATE) / RATE
            rng = np.random.default_rng([part, number])
            phases = rng.uniform(0, 6, len(names))
            waves = zip((2 * np.pi * PITCH_HZ[name] * t for name in names), phases, strict=True)
            tones = sum(np.sin(turn + phase) for turn, phase in waves)
            sf.write(root / f"{video}.wav", 0.1 * tones + 0.01 * rng.standard_normal(RATE), RATE)
        lines.append(f'vanished_{part}0, 0.000, 10.000, "{IDS["Dog"]}"')
        lines.append(f'strange__{part}0, 0.000, 10.000, "/m/unheard"')
        sf.write(root / f"strange__{part}0.wav", 0.1 * np.sin(np.arange(RATE)), RATE)
        (root / table).write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The project on raw waveforms, and what was said."""
    project = new_project(tmp_path_factory.mktemp("audioset") / "project", audioset)
    change(project, corpus="audioset", system="logistic", protocol__name="fine_tune")
    change(project, backbone="waveform", corpora__audioset={"classes": "animals"})
    change(project, frontends__waveform={"rate_hz": RATE, "window_s": 0.5})
    change(project, evaluation__n_bootstrap=200)
    done = call(project, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    return project, done.stderr


def test_what_is_wrong_or_lacking_is_told_and_counted(ran):
    project, said = ran
    report = json.loads((project / "reports/ingest.json").read_text())["audioset"]
    assert (report["clips"], report["missing"]) == (36, 2)
    assert report["clips_a_class"].keys() == set(PITCH_HZ)
    assert [bad["path"] for bad in report["bad"]] == ["strange__00.wav", "strange__10.wav"]
    assert report["notes"] == ["class Animal is left out: all clips have it"]
    assert "note: audioset: class Animal is left out: all clips have it" in said


def test_waveforms_are_kept_as_they_are_and_learned_from(ran):
    project, _ = ran
    found = store.load(project / "features/main/audioset/waveform")
    assert (found.windows.dtype, found.windows.shape) == (np.int16, (72, RATE // 2))
    heard, _ = sf.read(project / "data/recordings/video_0-000.wav", dtype="int16")
    of_clip = found.index["clip_id"].eq("video_0-000_30").to_numpy()
    np.testing.assert_array_equal(found.windows[of_clip].reshape(-1), heard)
    metrics = json.loads((project / "metrics.json").read_text())
    assert {"map", "mauc", "d_prime"} <= metrics.keys()
    scored = (project / "predictions.csv").read_text()
    assert scored.count("video_1-") >= 12
    assert "video_0-" not in scored


def test_the_corpus_is_packed_as_params_say(ran):
    project, _ = ran
    done = call(project, "faunashot", "pack", "animals.h5")
    assert done.returncode == 2, done.stderr  # two clips are bad
    assert "strange__00.wav: balanced_train_segments.csv, line 27 has the unknown" in done.stderr
    assert "36 clips of 3 classes" in done.stdout
    packed = Packed(project / "animals.h5")
    assert (packed.rate_hz, packed.n_samples, packed.multi_label) == (RATE, RATE // 2, True)
    assert packed.targets.sum(axis=1).max() == 2
    assert packed.folds.count("test") == 12
