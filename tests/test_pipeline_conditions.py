"""The run under further conditions, on joined backbones, and what is refused in one line."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from pipeline_project import RATE, call, change, label_rows, own_line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHARED = "a wren in the rain.wav"
"""Recording of the source that is also in the target."""


class Ran(NamedTuple):
    """A project, and what `dvc repro` printed in it."""

    project: Path
    stderr: str


def background(root: Path) -> None:
    """Noises of four colours, and one recording that is none of them."""
    rows = []
    for slope, kind in enumerate(("rain", "stream", "waves", "wind")):
        for number in range(3):
            rng = np.random.default_rng([slope, number])
            spectrum = np.fft.rfft(rng.standard_normal(4 * RATE))
            spectrum /= np.maximum(np.arange(spectrum.size), 1.0) ** (slope / 2)
            noise = np.fft.irfft(spectrum)
            rows.append((f"{kind}-{number}.wav", kind, 1 + number))
            sf.write(root / rows[-1][0], 0.3 * noise / np.abs(noise).max(), RATE)
    shutil.copy(root.parent / "recordings/wren-0.wav", root / SHARED)
    label_rows(root, [*rows, (SHARED, "rain", 1)])


@pytest.fixture(scope="module")
def ran(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The whole project, run once more with all that can be added to it."""
    project = shutil.copytree(whole, tmp_path_factory.mktemp("more") / "project", symlinks=True)
    (project / "data/background").mkdir()
    background(project / "data/background")
    change(project, corpora__background={"reader": "folder"}, source="background")
    change(project, source_root="data/background", backbone="logmel_stats+birdnet")
    change(project, conditions__equalised__score=True)
    change(project, protocol__transfer="background")
    done = call(project, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    return Ran(project, done.stderr)


@pytest.fixture(scope="module")
def metrics(ran: Ran) -> dict:
    return json.loads((ran.project / "reports/figures.json").read_text())


@pytest.fixture(scope="module")
def page(ran: Ran) -> str:
    return (ran.project / "reports/report.html").read_text("utf-8")


def test_a_further_backbone_embeds_nothing_again(ran):
    (line,) = (line for line in ran.stderr.splitlines() if line.startswith("embed "))
    said = line.partition(" s ")[2].strip().split("; ")
    assert [job.split(":")[0] for job in said] == [
        *("folder", "background", "folder, equalised", "background, equalised") * 2,
    ]
    assert all(("logmel_stats" in line) == (at < 4) for at, line in enumerate(said))
    assert ", 0 of them embedded now" in said[0]
    assert not any(", 0 of them embedded now" in line for line in said[1:])


def test_a_joined_model_names_both_backbones_and_their_licences(ran, page):
    folder = ran.project / "models/logmel_stats+birdnet-rectified"
    facts = json.loads((folder / "model.json").read_text("utf-8"))
    assert [backbone["name"] for backbone in facts["backbones"]] == ["logmel_stats", "birdnet"]
    assert "MIT; CC BY-NC-SA 4.0" in page


def test_the_same_clips_are_scored_with_the_recorder_hidden(ran, metrics, page):
    assert metrics["conditions"].keys() == {"equalised"}
    hidden = metrics["conditions"]["equalised"]
    gap = metrics["macro_f1"] - hidden["macro_f1"]
    assert hidden["difference"] == pytest.approx(gap, abs=2e-4)
    assert hidden["difference_low"] <= hidden["difference"] <= hidden["difference_high"]
    assert f"difference {hidden['difference']:.4f}, {hidden['difference_low']:.4f} to" in page
    table = pd.read_csv(ran.project / "plots/conditions.csv").set_index("k")
    assert table["condition"].unique() == ["equalised"]
    assert table.at[metrics["k"], "macro_f1"] == hidden["macro_f1"]


def test_clips_that_source_and_target_share_are_left_out_of_the_source(ran):
    report = json.loads((ran.project / "reports/audit.json").read_text("utf-8"))
    assert report["across_corpora"] == [[SHARED, "wren-0.wav"]]
    assert report["left_out"] == 1
    audited = pd.read_parquet(ran.project / "clips/audited.parquet")
    assert audited["role"].value_counts().to_dict() == {"target": 30, "source": 12}
    rejected = pd.read_parquet(ran.project / "predictions/unknown.parquet")
    assert SHARED not in set(rejected["clip_id"])
    assert set(rejected.loc[~rejected["known"], "clip_id"]) <= set(
        audited.loc[audited["role"] == "source", "clip_id"]
    )


def test_background_is_told_from_the_classes(ran, metrics, page):
    unknown = metrics["unknown"]
    assert 0.5 < unknown["auroc"] <= 1
    assert unknown["auroc_low"] <= unknown["auroc"] <= unknown["auroc_high"]
    assert f"AUROC {unknown['auroc']:.4f}" in page


def test_recognise_answers_unknown_where_the_score_is_past_the_threshold(ran):
    files = ["data/recordings/frog-0.wav", "data/background/wind-0.wav"]
    done = call(ran.project, "faunashot", "recognise", *files, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    model = ran.project / "models/logmel_stats+birdnet-rectified/model.json"
    threshold = json.loads(model.read_text("utf-8"))["unknown"]["threshold"]
    for row in rows:
        assert row["probabilities"].keys() == {"frog", "owl", "wren"}
        assert (row["label"] == "unknown") == (row["unknown_score"] > threshold)
    assert rows[1]["label"] == "unknown"


def test_nothing_is_left_to_do(ran):
    again = call(ran.project, "dvc", "repro")
    assert "Running stage" not in again.stdout
    assert call(ran.project, "dvc", "status").stdout.strip() == (
        "Data and pipelines are up to date."
    )


@pytest.fixture
def refusal(ran: Ran, tmp_path: Path) -> Callable[..., str]:
    """What stage train says of the parameters after some changes, and of other clips."""
    project = shutil.copytree(ran.project, tmp_path / "project", symlinks=True)
    change(project, source="none", source_root="data/none", backbone="logmel_stats")
    change(project, conditions__equalised__score=False)
    change(project, protocol__transfer="joint")

    def train(*, keep: Callable[[pd.DataFrame], pd.Series] | None = None, **values: object) -> str:
        change(project, **values)
        audited = project / "clips/audited.parquet"
        clips = pd.read_parquet(audited)
        clips = clips[clips["role"] == "target"]
        (clips if keep is None else clips[keep(clips)]).to_parquet(audited, index=False)
        done = call(project, sys.executable, "stages/train.py")
        assert done.returncode == 1, done.stdout + done.stderr
        return own_line(done.stderr)

    return train


def test_more_labelled_clips_than_there_are(refusal):
    said = refusal(protocol__k=11)
    assert said.startswith("protocol.k: 11, but class frog has 8 clips to learn from beside ")


def test_a_class_that_is_in_one_fold_alone(refusal):
    said = refusal(keep=lambda clips: (clips["label"] != "owl") | (clips["fold"] == "3"))
    assert said.startswith("fold 3: class owl is absent from the other folds")


def test_one_class_alone(refusal):
    said = refusal(keep=lambda clips: clips["label"] == "owl")
    assert said == "all clips are of class 'owl': there is nothing to tell apart"


def test_a_network_is_trained_on_what_it_reads(refusal):
    said = refusal(system="end_to_end")
    assert said.startswith("params.yaml: system: end_to_end trains the layers of a backbone")
    assert said.endswith("or yamnet")
    said = refusal(system="cnn1d")
    assert "is for backbone=logmel_frames, not" in said


def test_a_table_of_names_that_names_no_class_of_the_backbone(refusal, tmp_path):
    table = tmp_path / "names.csv"
    by_names = {"protocol__name": "zero_shot", "protocols__zero_shot__class_map": str(table)}
    said = refusal(
        source="background", source_root="data/background", backbone="birdnet", **by_names
    )
    assert said.startswith(f"{table} cannot be read")
    table.write_text("label,source_class\nwren,Troglodytes troglodytez\n")
    said = refusal()
    assert str(table) in said
    assert "'Troglodytes troglodytez'" in said


def test_background_of_one_kind(refusal):
    said = refusal(protocol__transfer="background")
    assert said.startswith("protocol.transfer: background needs a source corpus of four kinds")


@pytest.mark.parametrize(
    ("joined", "said"),
    [
        (
            "logmel_stats+birdnt",
            "params.yaml: backbone: unknown value 'birdnt'; did you mean 'birdnet'?",
        ),
        (
            "logmel_stats+logmel_stats",
            "params.yaml: backbone: 'logmel_stats+logmel_stats' joins a backbone with itself",
        ),
    ],
)
def test_a_join_that_cannot_be(refusal, joined, said):
    assert refusal(backbone=joined) == said
