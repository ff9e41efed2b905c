"""``faunashot audit``: any folder, JSON or a page, one line where there is no corpus."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.cli.main import main
from faunashot.data.corpora.demo import generate

RATE = 16_000
LISTS = {
    *("exact_duplicates", "near_duplicates", "crossing", "conflicts", "across_corpora"),
    *("bad", "flagged", "wrong_extension"),
}


@pytest.fixture
def run(tmp_path, monkeypatch, capfd) -> Callable[..., tuple[int, str, str]]:
    """Audit folders below an empty one: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAUNASHOT_DEBUG", raising=False)
    monkeypatch.setattr("faunashot.data.shortcuts.TREES", 2)

    def audit(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["faunashot", "audit", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capfd.readouterr()

    return audit


@pytest.fixture
def answer(run) -> Callable[..., dict]:
    """Audit folders and read the JSON."""

    def read(*arguments: str) -> dict:
        code, out, err = run(*arguments, "--json")
        found = json.loads(out)
        some_bad = 2 if found["clips"] else 1
        assert (code, err) == (some_bad if found["bad"] else 0, "")
        return found

    return read


def noise(number: int, *, gain: float = 0.1) -> np.ndarray:
    samples = np.random.default_rng(number).standard_normal(RATE)
    return (gain * samples).clip(-1, 1).astype(np.float32)


def write(file: Path, samples: np.ndarray, **options: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = np.round(samples * (2**15 - 1)).astype(np.int16)  # libsndfile rounds FLAC differently
    sf.write(file, whole, RATE, **options)


@pytest.fixture
def mine(tmp_path) -> Path:
    """Folders of classes: a copy in another container, a quieter one, and three that are alone."""
    write(tmp_path / "mine/owl/a.wav", noise(1))
    write(tmp_path / "mine/owl/b.flac", noise(1))
    write(tmp_path / "mine/owl/c.wav", noise(2))
    write(tmp_path / "mine/owl/d.wav", noise(2, gain=0.03))
    write(tmp_path / "mine/wren/e.wav", noise(3))
    return tmp_path / "mine"


def test_a_folder_of_classes(answer, mine):
    found = answer("mine")
    assert found["clips"] == 5
    assert found["exact_duplicates"] == [["owl/a.wav", "owl/b.flac"]]
    assert [pair["paths"] for pair in found["near_duplicates"]] == [["owl/c.wav", "owl/d.wav"]]
    empty = LISTS - {"exact_duplicates", "near_duplicates"}
    assert all(found[name] == [] for name in empty)


def test_copies_under_two_labels_are_conflicts(answer, mine):
    write(mine / "wren/x.wav", noise(1))
    write(mine / "wren/y.wav", noise(2)[RATE // 8 :])
    conflicts = answer("mine")["conflicts"]
    assert ["owl/a.wav", "owl/b.flac", "wren/x.wav"] in conflicts
    assert ["owl/c.wav", "owl/d.wav", "wren/y.wav"] in conflicts


def test_what_is_wrong_with_recordings(answer, mine):
    write(mine / "owl/silent.wav", np.zeros(RATE))
    write(mine / "owl/loud.wav", noise(7, gain=1.0))
    write(mine / "owl/named.wav", noise(8), format="FLAC")
    (mine / "owl/broken.wav").write_bytes(b"RIFF")
    found = answer("mine")
    assert {bad["path"] for bad in found["bad"]} == {"owl/broken.wav", "owl/silent.wav"}
    assert [flag["path"] for flag in found["flagged"]] == ["owl/loud.wav"]
    assert [wrong["path"] for wrong in found["wrong_extension"]] == ["owl/named.wav"]


def test_copies_that_cross_training_and_testing(answer, tmp_path):
    write(tmp_path / "sounds/Training/Owl/1.wav", noise(1))
    write(tmp_path / "sounds/Testing/Owl/2.wav", noise(1))
    write(tmp_path / "sounds/Training/Owl/3.wav", noise(2))
    write(tmp_path / "sounds/Training/Owl/4.wav", noise(2))
    write(tmp_path / "sounds/Training/Owl/5.wav", noise(3))
    write(tmp_path / "sounds/Testing/Owl/6.wav", 0.5 * noise(3))
    found = answer("sounds")
    assert len(found["exact_duplicates"]) == 2
    assert found["crossing"] == [
        ["Testing/Owl/2.wav", "Training/Owl/1.wav"],
        ["Testing/Owl/6.wav", "Training/Owl/5.wav"],
    ]


def test_the_layout_of_esc50_is_found_out(answer, tmp_path):
    rows = [("filename", "fold", "category", "src_file")]
    for number, fold in enumerate((1, 2, 3)):
        write(tmp_path / f"esc/audio/{number}.wav", noise(number % 2))
        rows.append((f"{number}.wav", fold, "owl", number))
    (tmp_path / "esc/meta").mkdir()
    with (tmp_path / "esc/meta/esc50.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert answer("esc")["crossing"] == [["audio/0.wav", "audio/2.wav"]]
    assert answer("esc", "--reader", "folder")["crossing"] == []


def test_the_synthetic_corpus_has_nothing_to_be_found(answer, tmp_path):
    generate(tmp_path / "made", 40, seed=3)
    found = answer("made")
    assert found["clips"] == 36
    assert all(found[name] == [] for name in LISTS)
    assert found["shortcuts"].keys() == {"made"}
    assert 0 <= found["shortcuts"]["made"]["macro_f1"] <= 1


def test_several_folders_are_told_apart(answer, mine, tmp_path):
    write(tmp_path / "theirs/owl/a.wav", noise(1))
    write(tmp_path / "theirs/wren/z.wav", 0.5 * noise(3))
    found = answer("mine", "theirs", "mine")
    assert found["clips"] == 7
    assert found["across_corpora"] == [
        ["mine/owl/a.wav", "mine/owl/b.flac", "theirs/owl/a.wav"],
        ["mine/wren/e.wav", "theirs/wren/z.wav"],
    ]
    assert found["exact_duplicates"] == [["mine/owl/a.wav", "mine/owl/b.flac", "theirs/owl/a.wav"]]


def test_the_page_counts_then_lists(run, mine):
    code, page, err = run("mine")
    assert (code, err) == (0, "")
    assert page.startswith(
        "5 recordings\n0 recordings that cannot be used\n0 recordings to listen to\n"
    )
    assert "\n1 groups of identical recordings\n" in page
    assert "\nmine: the recorder alone gives the label away with macro-F1 " in page
    assert "\n- owl/a.wav\n  owl/b.flac\n" in page
    assert "\n- owl/c.wav\n  owl/d.wav\n  from 0.00 s, 1.0" in page


def test_a_folder_that_is_no_corpus_is_one_line(run, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, reason in (("empty", "no recording can be used"), ("none", "no such folder")):
        code, out, err = run(name)
        assert (code, out) == (1, "")
        assert err.count("\n") == 1
        assert err.startswith(f"faunashot: {name} does not hold")
        assert reason in err


def test_an_unknown_reader_names_the_nearest(run, mine):
    code, _, err = run("mine", "--reader", "esc5")
    assert code == 1
    assert err.endswith("did you mean 'esc50'?\n")


def test_where_nothing_can_be_decoded_there_is_nothing_to_compare(answer, tmp_path):
    (tmp_path / "bad/owl").mkdir(parents=True)
    (tmp_path / "bad/owl/a.wav").write_bytes(b"RIFF")
    found = answer("bad")
    assert found["clips"] == 0
    assert found["shortcuts"] == {}
    assert len(found["bad"]) == 1


def test_files_globs_and_a_folder_without_classes_are_audited(tmp_path, run, answer):
    for number in range(3):
        write(tmp_path / "night" / f"{number}.WAV", noise(number), format="WAV")
    write(tmp_path / "night" / ".3.wav", noise(3))
    write(tmp_path / "copy.wav", noise(0))
    (tmp_path / "night" / "notes.txt").touch()
    assert answer("night")["clips"] == 3
    assert answer("nig*", "copy.wav")["clips"] == 4
    found = answer("night/*", "copy.wav")
    assert found["clips"] == 4
    assert found["exact_duplicates"] == [["copy.wav", "night/0.WAV"]]
    assert found["shortcuts"] == {"files": {"skipped": "no recording has a label"}}
    code, out, err = run("night/*.ogg")
    assert (code, out, err) == (1, "", "faunashot: night/*.ogg: matches no recordings\n")
