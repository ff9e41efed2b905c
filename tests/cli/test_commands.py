"""The command line: quick help, JSON for programs, one line for errors, bad files passed over."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from embedding import embed_windows

from faunashot.cli.main import COMMANDS, main
from faunashot.data.corpora import CORPORA
from faunashot.data.corpora.folder import Folder
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.features.extractors import extractor
from faunashot.recogniser import Recogniser
from faunashot.recognition import Recognition
from faunashot.systems.catalogue import system_names
from faunashot.systems.record import BackboneRecord, TrainedSystem


@pytest.fixture
def metrics(tmp_path) -> dict:
    """Figures of a run, written as the evaluate stage writes them."""
    figures = {"macro_f1": 0.5, "macro_f1_low": None, "macro_f1_high": None}
    written = {**figures, "k": 5, "clips": 9, "classes": 3, "calibration_error": 0.1}
    (tmp_path / "metrics.json").write_text(json.dumps(written))
    (tmp_path / "curve.csv").write_text(
        "k,runs,macro_f1,macro_f1_low,macro_f1_high,map,map_low,map_high\n"
        "1,5,0.3,0.2,0.4,0.31,0.2,0.4\n5,1,0.5,,,0.875,,\n"
    )
    return written


@pytest.fixture
def model(tmp_path) -> Path:
    """A model that tells low tones from high ones by the log-mel statistics, and two recordings."""
    features = extractor("logmel_stats", options={"hop_s": 1.0})
    rate = features.sample_rate
    t = np.arange(3 * rate) / rate
    floor = 0.01 * np.random.default_rng(0).standard_normal(t.size)
    pitch_hz = {"owl": 300, "wren": 4000}
    tones = {label: 0.5 * np.sin(2 * np.pi * hz * t) + floor for label, hz in pitch_hz.items()}
    for label, samples in tones.items():
        sf.write(tmp_path / f"{label}.wav", samples, rate)
    windows = np.concatenate([s.reshape(3, rate) for s in tones.values()]).astype(np.float32)
    learned = Examples.of_rows(embed_windows(features, windows), np.repeat(list(tones), 3))
    head = make_head("prototype").fit(learned)
    made_with = BackboneRecord(
        name="logmel_stats", options={"hop_s": 1.0}, weights_hash=features.weights_hash
    )
    record = TrainedSystem(estimator=head.KIND, backbones=[made_with], classes=list(tones))
    Recogniser(head, record).save(tmp_path / "model")
    return tmp_path / "model"


def one_line(answer) -> str:
    """The message of a command that failed: all that it printed on standard error."""
    assert answer.code == 1
    (line,) = answer.err.splitlines()
    assert line.startswith("faunashot: ")
    return line.removeprefix("faunashot: ")


def test_help_answers_in_half_a_second_and_names_every_command():
    program = Path(sys.executable).with_name("faunashot")
    took = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=True)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5
    assert all(name in done.stdout for name in COMMANDS)


def test_help_loads_none_of_the_heavy_libraries():
    code = (
        "import sys, faunashot.cli.main; "
        "print([m for m in ('mlflow', 'tensorflow', 'librosa', 'sklearn', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(faunashot, command):
    answer = faunashot(command, "--help")
    assert answer.code == 0
    assert COMMANDS[command].split(".")[0] in " ".join(answer.out.split())


@pytest.mark.parametrize("command", ["corpora", "backbones", "systems"])
def test_a_list_is_the_same_as_json_and_as_a_table(faunashot, command):
    rows = json.loads(faunashot(command, "--json").out)
    table = faunashot(command)
    assert table.code == 0
    key = {"corpora": "corpus", "backbones": "name", "systems": "name"}[command]
    assert all(row[key] in table.out for row in rows)


def test_lists_name_everything_that_can_be_chosen(faunashot):
    named = {row["corpus"] for row in json.loads(faunashot("corpora", "--json").out)}
    assert named <= set(CORPORA)
    assert named >= set(CORPORA) - {"none"}
    systems = json.loads(faunashot("systems", "--json").out)
    assert [row["name"] for row in systems] == system_names()
    for row in json.loads(faunashot("backbones", "--json").out):
        assert row["licence"]
        assert row["trained_on"]


def test_show_prints_the_figures_as_they_were_written(faunashot, metrics):
    shown = json.loads(faunashot("show", "--json").out)
    assert shown["metrics"] == metrics
    assert [row["k"] for row in shown["curve"]] == ["1", "5"]
    assert shown["curve"][0]["macro_f1"] == "0.3"


def test_show_marks_the_headline_and_says_where_there_is_no_interval(faunashot, metrics):
    lines = faunashot("show").out.splitlines()
    (first,) = [line for line in lines if "0.2000 to 0.4000" in line]
    (headline,) = [line for line in lines if "none" in line]
    assert "*" not in first
    assert "5 *" in headline
    assert "9 clips, 3 classes" in lines[-1]
    (titles,) = [line for line in lines if "macro-F1" in line]
    (others,) = [line for line in lines if "mAP" in line]
    row = next(line for line in lines[lines.index(others) :] if "5 *" in line)
    assert row.split() == ["5", "*", "0.8750"]
    assert "95 % interval" in titles
    assert max(map(len, lines)) <= 80


def test_show_says_how_many_clips_were_labelled_where_the_curve_does(faunashot, metrics, tmp_path):
    assert "labelled" not in faunashot("show").out.splitlines()[1].split()
    curve = pd.read_csv(tmp_path / "curve.csv").assign(labelled_least=[1, 4], labelled_most=[1, 5])
    curve.to_csv(tmp_path / "curve.csv", index=False)
    lines = faunashot("show").out.splitlines()
    assert lines[1].split()[:2] == ["k", "labelled"]
    assert next(line for line in lines if "5 *" in line).split()[2:5] == ["4", "to", "5"]


def test_show_before_any_run_says_what_to_run(faunashot):
    assert one_line(faunashot("show")) == "metrics.json is not here: run `make run` or `dvc repro`"


def test_compare_of_a_new_project_is_an_empty_list(faunashot, tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    answer = faunashot("compare", "--json")
    assert answer.code == 0
    assert json.loads(answer.out) == []


@pytest.fixture
def experiments(monkeypatch) -> list:
    """Two runs that `compare` finds, of which the second is better at every k."""
    from faunashot.tracking import pairing, store

    right = {"logmel": [0, 1, 2, 3, 4], "yamnet": [0, 2, 4, 5, 6, 7, 8, 9]}
    curves = {"logmel": [0.4, 0.5, 0.6], "yamnet": [0.5, 0.6, 0.7]}
    runs = []
    for name, clips in right.items():
        label = np.array(["owl", "wren"] * 5)
        said = np.where(np.isin(np.arange(10), clips), label, label[::-1])
        ids = [f"c{i}" for i in range(10)]
        table = pd.DataFrame({"episode": -1, "fold": "1", "clip_id": ids, "group": ids})
        table = table.assign(label=label, predicted=said, p_owl=0.5, p_wren=0.5)
        low = dict.fromkeys(("macro_f1_low", "macro_f1_high"), 0.1)
        curve = pd.DataFrame({"k": [1, 2, 4], "macro_f1": curves[name], **low})
        facts = {"corpus": "a", "k": 4}
        runs.append(pairing.ScoredRun(name, name, facts, table, curve))
    monkeypatch.setattr(store, "root", Path.cwd)
    monkeypatch.setattr(
        pairing, "scored_runs", lambda root, names: [r for r in runs if r.name in names]
    )
    return runs


def test_compare_of_two_prints_how_they_differ_and_the_labels_saved(faunashot, experiments):
    answer = faunashot("compare", "logmel", "yamnet", "--json")
    assert answer.code == 0
    found = json.loads(answer.out)
    (row,) = found["differences"]
    assert (row["experiment"], row["against"]) == ("yamnet", "logmel")
    assert row["accuracy_difference"] == pytest.approx(0.3)
    assert row["accuracy_difference_low"] < 0.3 < row["accuracy_difference_high"]
    assert row["p_mcnemar"] == 0.4531  # of 7 clips one run has 5 right, the other 2
    assert row["p_holm"] == row["p_value"]
    assert [each["needed"] for each in found["labels_saved"]] == [None, 1, 2]

    table = faunashot("compare", "logmel", "yamnet").out
    accuracy = next(line.split() for line in table.splitlines() if "accuracy" in line)
    assert accuracy[:2] == ["accuracy", "+0.3000"]
    assert accuracy[-1] == str(row["p_mcnemar"])
    assert "yamnet less logmel: 10 clips of 10 source recordings, each scored once." in table
    assert "Labelled clips a class that yamnet needs to match logmel:" in table
    assert "under 1" in table
    assert max(map(len, table.splitlines())) <= 80


def test_compare_of_two_has_a_line_for_every_metric_of_labels(faunashot, experiments):
    row = json.loads(faunashot("compare", "logmel", "yamnet", "--json").out)["differences"][0]
    table = faunashot("compare", "logmel", "yamnet").out
    for title, key in {
        "macro-F1": "difference",
        "accuracy": "accuracy_difference",
        "weighted F1": "weighted_f1_difference",
    }.items():
        line = next(line for line in table.splitlines() if line.startswith(f" {title} "))
        assert f"{row[key]:+.4f}" in line
        assert f"{row[f'{key}_low']:.4f} to {row[f'{key}_high']:.4f}" in line


def test_compare_shows_the_metrics_that_are_asked_for(faunashot, monkeypatch):
    from faunashot.tracking import comparison, store

    row = dict.fromkeys(("corpus", "backbone", "system", "protocol"), "x")
    figures = {f"{n}{end}": 0.25 for n in ("macro_f1", "map") for end in ("", "_low", "_high")}
    named = {"name": "a-name-of-forty-two-characters-as-they-are", "status": "finished"}
    table = pd.DataFrame([{**named, **row, "k": 5, **figures, "map": 0.875, "run_id": "1"}])
    ended = dict.fromkeys([*figures, "k"]) | {"name": "b", "status": "failed", "run_id": "2"}
    table = pd.concat([table, pd.DataFrame([{**row, **ended}])])
    monkeypatch.setattr(store, "root", Path.cwd)
    monkeypatch.setattr(comparison, "compare", lambda root, with_intervals: table)
    shown = faunashot("compare").out
    assert "0.2500 to 0.2500" in shown
    assert named["name"] in shown
    assert (
        next(line for line in shown.splitlines() if line.startswith(" b ")).split()[1] == "failed"
    )
    assert max(map(len, shown.splitlines())) <= 80
    assert one_line(faunashot("compare", "--only", "c*")).startswith("--only c*: no experiment")
    shown = faunashot("compare", "--metric", "map").out
    assert "mAP" in shown
    assert "0.875" in shown
    assert "macro-F1" not in shown
    found, _ = json.loads(faunashot("compare", "--json").out)
    assert found["map"] == 0.875
    assert one_line(faunashot("compare", "--metric", "mpa")).endswith("did you mean 'map'?")


def test_compare_of_two_draws_their_curves(faunashot, experiments, tmp_path):
    assert faunashot("compare", "logmel", "yamnet", "--plot", "two.png").code == 0
    assert (tmp_path / "two.png").read_bytes().startswith(b"\x89PNG")


def test_compare_refuses_other_clips_and_a_single_name_in_one_line(faunashot, experiments):
    experiments[1].predictions["clip_id"] = [f"d{i}" for i in range(10)]
    assert one_line(faunashot("compare", "logmel", "yamnet")).startswith(
        "logmel and yamnet cannot be paired: clip c0 is in logmel alone"
    )
    assert one_line(faunashot("compare", "logmel")).startswith("logmel alone: name two")


@pytest.mark.parametrize("command", ["compare", "sync"])
def test_outside_a_project_is_one_line(faunashot, monkeypatch, command):
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert one_line(faunashot(command)).startswith("no dvc.yaml in ")


def test_recognise_names_the_class_of_each_file(faunashot, model, tmp_path):
    answer = faunashot("recognise", "owl.wav", "wren.wav", "--model", "model", "--json")
    assert answer.code == 0
    rows = json.loads(answer.out)
    assert [(row["file"], row["label"]) for row in rows] == [
        ("owl.wav", "owl"),
        ("wren.wav", "wren"),
    ]
    for row in rows:
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["probability"] == round(row["probabilities"][row["label"]], 4)


def test_recognise_passes_over_a_bad_file_with_a_line(faunashot, model, tmp_path):
    (tmp_path / "empty.wav").touch()
    answer = faunashot(
        *("recognise", "empty.wav", "owl.wav", "gone.wav", "--model", "model", "--json")
    )
    empty, owl, gone = json.loads(answer.out)
    assert (empty, gone) == (
        {"file": "empty.wav", "error": "empty file"},
        {"file": "gone.wav", "error": "no such file"},
    )
    assert owl["label"] == "owl"
    assert answer.err.splitlines() == [
        "faunashot: empty.wav: empty file",
        "faunashot: gone.wav: no such file",
    ]
    assert answer.code == 2
    answer = faunashot("recognise", "empty.wav", "owl.wav", "--model", "model")
    assert "empty file" in answer.out
    answer = faunashot("recognise", "none*", "--model", "model", "--json")
    assert json.loads(answer.out) == [{"file": "none*", "error": "matches no recordings"}]
    assert answer.code == 1


def test_recognise_says_what_it_cannot_hear_in_a_line_a_kind(faunashot, model, tmp_path):
    rng = np.random.default_rng(0)
    for name in "ab":
        sf.write(tmp_path / f"{name}.wav", rng.normal(0, 0.1, 4_000), 2_000)
    sf.write(tmp_path / "silent.wav", np.zeros(4_000), 2_000)
    answer = faunashot("recognise", "a.wav", "silent.wav", "b.wav", "--model", "model", "--json")
    rows = {row["file"]: row for row in json.loads(answer.out)}
    assert [name for name, row in rows.items() if "error" not in row] == ["a.wav", "b.wav"]
    silent, narrow = answer.err.splitlines()
    assert silent == "faunashot: silent.wav: digital silence: every sample is 0"
    assert narrow.startswith("faunashot: 2 of 3 recordings: there is nothing above ")
    assert narrow.endswith("; the first is a.wav")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["show"], 1, "metrics.json is not here: run `make run`"),
        (["recognise", "a.wav", "--model", "none"], 1, "none holds no model: run `dvc repro`"),
        (["audit", "gone"], 1, "gone does not hold the corpus folder: there is no such folder"),
        (["embed", "gone", "--backbone", "logmel_stats", "--out", "f"], 1, "gone: no such file"),
        (["embed", "a.wav", "--backbone", "logmel_stats"], 2, "Missing option '--out'."),
        (["backbones", "--none"], 2, "No such option: --none"),
    ],
)
def test_an_error_is_one_document_where_json_is_asked_for(faunashot, arguments, code, said):
    answer = faunashot(*arguments, "--json")
    assert answer.code == code
    assert json.loads(answer.out)["error"].startswith(said)
    assert said in answer.err


@pytest.mark.parametrize("command", ["recognise", "embed", "audit"])
def test_the_exit_codes_are_in_the_help(faunashot, command):
    answer = faunashot(command, "--help")
    assert answer.code == 0
    assert "2 where some are bad" in " ".join(answer.out.split())


def test_recognise_writes_a_table_or_json(faunashot, model, tmp_path):
    (tmp_path / "empty.wav").touch()
    run = functools.partial(faunashot, "recognise", "owl.wav", "empty.wav", "--model", "model")
    assert run("--out", "found/all.csv").out == "found/all.csv: 2 rows\n"
    owl, empty = pd.read_csv("found/all.csv", dtype=str, keep_default_na=False).to_dict("records")
    assert (owl["file"], owl["label"], owl["error"]) == ("owl.wav", "owl", "")
    assert (empty["label"], empty["error"]) == ("", "empty file")
    printed = json.loads(run("--out", "all.json", "--json").out)
    assert json.loads(Path("all.json").read_text("utf-8")) == printed
    assert one_line(run("--out", "all.txt")) == (
        "--out all.txt: name a file that ends in .csv or .json"
    )


def test_recognise_says_that_one_label_is_for_all_of_a_long_recording(faunashot, model, tmp_path):
    samples, rate = sf.read("owl.wav")
    sf.write("long.wav", np.tile(samples, 30), rate)
    answer = faunashot("recognise", "long.wav", "owl.wav", "--model", "model")
    assert answer.err.startswith("faunashot: 1 of 2 recordings: longer than 60 s, and one label")
    assert "`--windows`" in answer.err
    answer = faunashot("recognise", "long.wav", "--model", "model", "--windows")
    assert (answer.err, answer.code) == ("", 0)


def test_recognise_prints_seconds_a_person_can_read(faunashot, model, monkeypatch):
    windows = [(0.1 + 0.2, 1 / 3, {"owl": 1.0})]
    heard = Recognition(label="owl", probabilities={"owl": 1.0}, windows=windows)
    monkeypatch.setattr(Recogniser, "recognise", lambda self, file: heard)
    (row,) = json.loads(
        faunashot("recognise", "owl.wav", "--model", "model", "--windows", "--json").out
    )
    assert (row["start_s"], row["end_s"]) == (0.3, 0.333)


def test_recognise_by_windows_gives_a_row_each(faunashot, model):
    answer = faunashot("recognise", "wren.wav", "--model", "model", "--windows", "--json")
    rows = json.loads(answer.out)
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(0, 1), (1, 2), (2, 3)]
    assert {row["label"] for row in rows} == {"wren"}


def test_recognise_takes_folders_and_globs_and_passes_over_a_name_that_is_not_text(
    faunashot, model, tmp_path
):
    night = tmp_path / "night"
    night.mkdir()
    (tmp_path / "owl.wav").rename(night / "owl.WAV")
    (tmp_path / "wren.wav").rename(os.fsdecode(os.fsencode(night) + b"/caf\xe9.wav"))
    (night / "notes.txt").touch()
    for name in ("night", "nig*"):
        answer = faunashot("recognise", name, "--model", "model", "--json")
        assert [row.get("label") for row in json.loads(answer.out)] == [None, "owl"]
        assert answer.code == 2
        assert (
            answer.err == "faunashot: night/caf\\udce9.wav: its name is not valid text: rename it\n"
        )


def test_recognise_takes_the_model_of_the_parameters(faunashot, tmp_path):
    (tmp_path / "params.yaml").write_text(
        (Path(__file__).parents[2] / "params.yaml").read_text("utf-8"), "utf-8"
    )
    said = one_line(faunashot("recognise", "owl.wav"))
    assert said.startswith("models/birdnet-rectified holds no model: run `dvc repro`")


def test_recognise_without_model_or_parameters_is_one_line(faunashot):
    assert one_line(faunashot("recognise", "owl.wav")) == "params.yaml: No such file or directory"


def test_fetch_of_gtzan_prints_how_to_get_it(faunashot):
    answer = faunashot("fetch", "gtzan")
    assert answer.code == 1
    assert "Tzanetakis" in answer.out
    assert "GTZAN cannot be fetched" in answer.err
    assert "https://www.kaggle.com/datasets/" in answer.err
    assert "data/gtzan" in answer.err
    assert "Traceback" not in answer.err


def test_fetch_of_an_unknown_corpus_names_the_nearest(faunashot):
    assert one_line(faunashot("fetch", "gtzn")).endswith("did you mean 'gtzan'?")


def test_synth_writes_a_corpus_of_the_wanted_size_and_never_over_one(faunashot, tmp_path):
    answer = faunashot("synth", "made", "--clips", "20")
    assert answer.out == "20 synthetic clips in made\n"
    assert len(list((tmp_path / "made" / "audio").iterdir())) == 20
    assert one_line(faunashot("synth", "made")).startswith("made exists already")


def test_synth_writes_soundscapes_and_where_the_animals_are(faunashot, tmp_path):
    short = ("--soundscape", "--minutes", "0.5", "--rate", "16000")
    answer = faunashot("synth", "made", *short)
    assert answer.out.startswith("1 soundscapes of 0.5 minutes with 2 clips of ")
    table = pd.read_csv(tmp_path / "made" / "annotations.csv")
    assert set(table["file"]) == {"audio/soundscape-000.wav"}
    assert (tmp_path / "made" / "annotations.selections.txt").exists()
    assert "numbers in dB" in one_line(faunashot("synth", "m", *short, "--snr", "loud"))
    answer = faunashot("synth", "m", *short, "--background", "none")
    assert one_line(answer) == "none: no such file"
    assert "name their corpus" in one_line(faunashot("synth", "m", *short, "--fold", "1"))
    assert "add --soundscape" in one_line(faunashot("synth", "m", "--events", "made"))
    assert not (tmp_path / "m").exists()


def test_synth_writes_several_animals_a_clip_as_the_corpus_folder_reads_them(faunashot, tmp_path):
    answer = faunashot("synth", "made", "--clips", "20", "--multi-label")
    assert "corpora.folder.multi_label=true" in answer.out.replace("\n", "")
    clips = list(Folder(multi_label=True).clips(tmp_path / "made"))
    assert len(clips) == 20
    assert any(";" in clip.label for clip in clips)
    assert len({clip.group for clip in clips}) < 20
    assert {clip.fold for clip in clips} == {"1", "2", "3", "4", "5"}


def test_an_unknown_command_names_the_nearest(faunashot):
    answer = faunashot("shwo")
    assert answer.code == 2
    assert "Did you mean 'show'?" in answer.err


def test_the_traceback_is_there_for_who_asks(faunashot, monkeypatch):
    monkeypatch.setenv("FAUNASHOT_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["faunashot", "show"])
    with pytest.raises(Exception, match="is not here"):
        main()


def test_fetch_says_how_to_use_what_it_brought(faunashot, tmp_path):
    answer = faunashot("fetch", "demo", "--root", "made")
    assert (tmp_path / "made" / "clips.csv").is_file()
    assert "dvc exp run -S corpus=demo -S root=made" in answer.out
