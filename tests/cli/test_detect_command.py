"""`faunashot detect`: recordings to tables, resumed after harm, and one line for what is wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from detecting import LOGMEL, RATE, sound, trained, write_night

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.detection import job
from faunashot.detection.parts import Parts

CALLS = [(1, 3, "frog"), (5, 7, "wren")]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Two models and a night of three recordings, in a folder of its own."""
    folder = tmp_path_factory.mktemp("made")
    model = trained(LOGMEL, folder=folder / "clips", background=True)
    model.save(folder / "models" / "ours")
    model.save(folder / "elsewhere" / "ours")
    for n, name in enumerate(["b/dusk.wav", "20240501_203000.wav", "dawn.flac"]):
        write_night(folder / "night" / name, CALLS, seconds=8, seed=n)
    return folder


@pytest.fixture
def detect(faunashot, made, tmp_path):
    """Run `faunashot detect` in a folder of the models and the night."""
    shutil.copytree(made / "night", tmp_path / "night")
    (tmp_path / "models").symlink_to(made / "models")
    (tmp_path / "elsewhere").symlink_to(made / "elsewhere")

    def run(*arguments: object, files: tuple[str, ...] = ("night",), model: str = "models/ours"):
        options = ["--model", model, "--out", "out", *map(str, arguments)]
        return faunashot("detect", *files, *options)

    return run


def events(name: str = "detections.csv", out: str = "out") -> pd.DataFrame:
    return ANNOTATION_FORMATS["csv"]().read(Path(out) / name)


def one_line(answer, code: int = 1) -> str:
    assert answer.code == code
    (line,) = answer.err.splitlines()
    return line.removeprefix("faunashot: ")


def test_calls_are_found_and_tables_say_what_made_them(detect) -> None:
    answer = detect("--format", "csv", "--format", "raven", "--timezone", "Europe/Berlin")
    assert answer.code == 0, answer.err
    found = events("20240501_203000.wav.csv")
    calls = found[found["label"].isin(["frog", "wren"]) & (found["score"] > 0.8)]
    assert calls["label"].tolist() == ["frog", "wren"]
    np.testing.assert_allclose(calls["start_s"], [1, 5], atol=0.5)
    np.testing.assert_allclose(calls["end_s"], [3, 7], atol=0.5)
    assert set(found["file"]) == {"night/20240501_203000.wav"}
    assert set(found["model"]) == {"ours"}
    table = pd.read_csv("out/20240501_203000.wav.csv")
    at = table.loc[table["label"] == "frog", "begins_at"].iloc[0]
    assert at.startswith("2024-05-01T20:30:0")
    assert at.endswith("+02:00")
    assert table["ends_at"].gt(table["begins_at"]).all()
    assert Path("out/b/dusk.wav.selections.txt").exists()
    beside = json.loads(Path("out/20240501_203000.wav.detection.json").read_text())
    assert beside["settings"]["timezone"] == "Europe/Berlin"
    assert beside["settings"]["go_on"] == 0.5
    assert beside["models"]["ours"]["thresholds"]["frog"]["value"] == 0.6
    assert len(beside["models"]["ours"]["sha256"]) == 64
    assert "--timezone" in beside["command"]
    (recording,) = beside["recordings"]
    file = Path("night/20240501_203000.wav")
    assert (recording["size"], recording["duration_s"]) == (file.stat().st_size, 8.0)
    assert beside["tables"] == ["20240501_203000.wav.csv", "20240501_203000.wav.selections.txt"]


def test_a_run_goes_on_where_it_was_and_more_recordings_may_be_added(
    detect, monkeypatch, tmp_path
) -> None:
    assert detect("--one-table").code == 0
    undisturbed = events()
    assert undisturbed["file"].nunique() == 3
    shutil.rmtree("out")
    write, written = Parts.write, []

    def full(parts, detected, found):
        if written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(detected.file)
        write(parts, detected, found)

    monkeypatch.setattr(Parts, "write", full)
    assert "no disk space left" in one_line(detect("--one-table"))
    assert [one.file for one in Parts(tmp_path / "out").all()] == written
    assert not list(Path("out").glob("detections*"))
    monkeypatch.setattr(Parts, "write", write)
    answer = detect("--one-table", "--json")
    (row,) = json.loads(answer.out)
    assert (row["recordings"], row["detected_now"]) == (3, 2)
    pd.testing.assert_frame_equal(events(), undisturbed)
    write_night(Path("later/noon.wav"), CALLS, seconds=8, seed=9)
    (row,) = json.loads(detect("--one-table", "--json", files=("later",)).out)
    assert (row["recordings"], row["detected_now"]) == (1, 1)
    assert events()["file"].nunique() == 4
    write_night(Path("night/b/dusk.wav"), [], seconds=8, seed=7)  # another recording by now
    (row,) = json.loads(detect("--one-table", "--json").out)
    assert row["detected_now"] == 1
    assert "frog" not in set(events().loc[lambda t: t["file"] == "night/b/dusk.wav", "label"])


def test_detections_of_another_kind_are_kept_apart(detect) -> None:
    assert detect().code == 0
    line = one_line(detect("--threshold", "frog=0.9"))
    assert line == (
        "out holds detections of another kind (settings.thresholds.frog: none there, 0.9 now): "
        "name another folder, or remove it"
    )
    assert "models.other" in one_line(detect("--model", "other=elsewhere/ours"))


def test_several_models_are_told_apart(detect) -> None:
    line = one_line(detect("--model", "elsewhere/ours"))
    assert "are both called ours" in line
    assert detect("--model", "other=elsewhere/ours", "--one-table").code == 0
    ours, other = (of.drop(columns="model") for _, of in events().groupby("model", sort=True))
    pd.testing.assert_frame_equal(
        ours.reset_index(drop=True), other.reset_index(drop=True), check_like=True
    )


def test_bad_recordings_get_a_line_and_the_others_a_table(detect) -> None:
    whole = Path("night/20240501_203000.wav").read_bytes()
    lost_power = whole[:4] + b"\0" * 4 + whole[8:]  # an unwritten length of the file ...
    at = lost_power.index(b"data") + 4
    lost_power = lost_power[:at] + b"\0" * 4 + lost_power[at + 4 :]  # ... and of the audio
    Path("night/lost.wav").write_bytes(lost_power)
    Path("night/empty.wav").write_bytes(b"")
    four_gb = b"\xff" * 4  # as of a recorder that writes the longest length first
    most = whole[:4] + four_gb + whole[8:at] + four_gb + whole[at + 4 :]
    Path("night/most.wav").write_bytes(most)
    Path("night/header.wav").write_bytes(whole[: at + 4])
    Path("night/20240501_213000.WAV").write_bytes(whole[:at] + bytes(4))  # an AudioMoth's last one
    Path("night/text.wav").write_text("owls")
    sf.write("night/still.wav", np.zeros(3 * RATE), RATE)
    answer = detect("--one-table")
    assert answer.code == 2
    lines = dict(
        line.removeprefix("faunashot: ").split(": ", 1) for line in answer.err.splitlines()
    )
    assert lines["night/empty.wav"] == "empty file"
    assert lines["night/still.wav"] == "digital silence: every sample is 0"
    assert lines["night/lost.wav"] == "its header gives no length: all that is there is read"
    assert lines["night/20240501_213000.WAV"] == "holds no samples"
    assert {"night/header.wav", "night/most.wav", "night/text.wav"} <= set(lines)
    found = events()
    of = {name: rows["label"].tolist() for name, rows in found.groupby("file")}
    assert set(of) == {f"night/{n}" for n in ["20240501_203000.wav", "b/dusk.wav", "dawn.flac"]} | {
        "night/lost.wav",
        "night/most.wav",
    }
    for name in ("lost", "most"):
        assert of[f"night/{name}.wav"] == of["night/20240501_203000.wav"]


def test_a_part_that_is_silent_is_told_and_noted(detect) -> None:
    parts = sound(CALLS, seconds=30), np.zeros(120 * RATE), sound([], seconds=10)
    Path("long").mkdir()
    sf.write("long/l.wav", np.concatenate(parts), RATE)
    answer = detect(files=("long",))
    line = one_line(answer, code=2)
    assert line == "long/l.wav from 60 s to 120 s: digital silence: every sample is 0"
    (recording,) = json.loads(Path("out/l.wav.detection.json").read_text())["recordings"]
    assert [(part["start_s"], part["end_s"]) for part in recording["bad"]] == [(60.0, 120.0)]
    assert recording["duration_s"] == 160.0


def test_a_file_that_is_still_being_copied_is_left_for_later(detect, monkeypatch) -> None:
    real, seen = job.stamp, []

    def grows(path: Path):
        seen.append(path)
        size, changed = real(path)
        return (size + 1, changed) if path.name == "dawn.flac" else (size, changed)

    monkeypatch.setattr(job, "stamp", grows)
    assert "still being copied" in one_line(detect("--timezone", "UTC"), code=2)
    assert not Path("out/dawn.flac.csv").exists()
    monkeypatch.setattr(job, "stamp", real)
    (row,) = json.loads(detect("--timezone", "UTC", "--json").out)
    assert row["detected_now"] == 1


def test_the_night_in_which_clocks_go_back(detect) -> None:
    write_night(Path("owls/POND_20231029_025957.wav"), CALLS, seconds=8)
    options = ["--timezone", "Europe/Berlin"]
    line = one_line(detect(*options, files=("owls",)), code=0)
    assert "02:59 came twice that night in Europe/Berlin" in line
    table = pd.read_csv("out/POND_20231029_025957.wav.csv").set_index("label")
    assert table.loc["frog", ["start_s", "end_s", "begins_at", "ends_at"]].tolist() == [
        1.0, 3.0, "2023-10-29T02:59:58.000+02:00", "2023-10-29T02:00:00.000+01:00",
    ]  # fmt: skip
    (recording,) = json.loads(Path("out/POND_20231029_025957.wav.detection.json").read_text())[
        "recordings"
    ]
    assert recording["timezone"] == "Europe/Berlin"
    assert "came twice" in recording["notes"][0]


def test_recordings_that_overlap_or_say_no_zone_get_a_line_each(detect, monkeypatch) -> None:
    for second in ("00", "05", "10"):
        write_night(Path(f"owls/POND_20231030_0200{second}.wav"), CALLS, seconds=8)
    lines = detect(files=("owls",)).err.splitlines()
    first = "faunashot: owls/POND_20231030_020000.wav"
    assert lines == [
        f"{first} and owls/POND_20231030_020005.wav overlap by 3 s: an event may be in both",
        "faunashot: owls/POND_20231030_020005.wav and owls/POND_20231030_020010.wav overlap by 3 s"
        ": an event may be in both",
        f"{first} and 2 more: no time zone is said: times are local, without an offset; "
        "--timezone Europe/Berlin would give one",
    ]
    monkeypatch.setattr("faunashot.cli.detect.MOST_OVERLAPS", 1)
    lines = detect(files=("owls",)).err.splitlines()
    assert lines[1] == "faunashot: 1 more recordings overlap"


@pytest.mark.parametrize(
    ("arguments", "files", "said"),
    [
        (["--threshold", "2"], ["night"], "needs a number from 0 to 1"),
        (["--threshold", "frgo=0.2"], ["night"], "did you mean 'frog'"),
        (["--go-on", "2"], ["night"], "go_on"),
        (["--format", "ravn"], ["night"], "did you mean 'raven'"),
        (["--format", "audacity", "--one-table"], ["night"], "leave --one-table out"),
        ([], ["nowhere.wav"], "nowhere.wav: no such file"),
        ([], ["none"], "none: holds no recordings"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, files, said, detect) -> None:
    Path("none").mkdir()
    assert said in one_line(detect(*arguments, files=tuple(files)))
    assert not Path("out").exists()


def test_a_folder_that_another_run_writes_into_is_refused(detect, tmp_path) -> None:
    assert detect().code == 0
    job_of = json.loads(Path("out/.detection/job.json").read_text())
    with Parts(tmp_path / "out").claimed(job_of):
        assert "another run" in one_line(detect())


def test_a_class_may_be_called_anything(faunashot, made, tmp_path) -> None:
    name = 'frog, "green"\tor so'
    shutil.copytree(made / "models" / "ours", tmp_path / "odd")
    facts = json.loads((tmp_path / "odd" / "model.json").read_text())
    odd = trained(LOGMEL, folder=tmp_path / "clips")
    odd.estimator.classes_ = np.array([name, "quiet", "wren"])
    record = odd.record.model_copy(update={"classes": [name, "quiet", "wren"], "thresholds": {}})
    odd.record = record
    odd.save(tmp_path / "odd")
    assert facts["classes"] != record.classes
    formats = ["--format", "csv", "--format", "raven", "--format", "parquet"]
    night = made / "night" / "dawn.flac"
    answer = faunashot("detect", str(night), "--model", "odd", "--out", "out", *formats)
    assert answer.code == 0, answer.err
    below = "/".join(night.parts[1:])
    for each in ("csv", "raven", "parquet"):
        kind = ANNOTATION_FORMATS[each]
        found = kind().read(tmp_path / "out" / f"{below}{kind.suffix}")
        assert name in set(found["label"]), each
