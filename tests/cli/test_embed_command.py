"""`faunashot embed`: folders and files to a store, what is bad passed over, one line for errors."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.features import store
from faunashot.frontends.logmel_stats import LogMelStats

RATE = 16_000
KEYS = ["out", "backbone", "recordings", "audio_h", "windows", "embedded", "windows_per_s"]


@pytest.fixture
def embed(faunashot) -> Callable:
    """Run `faunashot embed`."""

    def run(*arguments: object, backbone: str = "logmel_stats", out: str = "store"):
        options = ["--backbone", backbone, "--out", out, *map(str, arguments)]
        return faunashot("embed", *options)

    return run


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """An empty cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FAUNASHOT_CACHE", str(folder))
    return folder


@pytest.fixture
def night(tmp_path) -> Path:
    """A folder of three recordings, and of a text."""
    folder = tmp_path / "night"
    for seed, name in enumerate(["b.wav", "a/owl.FLAC", "a/wren.ogg"]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed).normal(0, 0.1, RATE * (2 + seed))
        sf.write(folder / name, noise, RATE, format=Path(name).suffix[1:])
    (folder / "notes.txt").write_text("owls\n")
    return folder


def one_line(answer, code: int = 1) -> str:
    """The message of a run that failed: all that it printed on standard error."""
    assert answer.code == code
    (line,) = answer.err.splitlines()
    assert line.startswith("faunashot: ")
    return line.removeprefix("faunashot: ")


def clip_ids(out: str = "store") -> list[str]:
    return list(store.load(out).index["clip_id"].unique())


def test_a_folder_is_stored_by_the_paths_in_it(embed, night):
    answer = embed("night", "--json")
    assert (answer.code, answer.err) == (0, "")
    (row,) = json.loads(answer.out)
    assert list(row) == [*KEYS, "bad", "notes", "warnings", "licence"]
    assert (row["recordings"], row["windows"], row["embedded"]) == (3, 15, 15)
    assert row["audio_h"] == pytest.approx(9 / 3600, rel=0.5)
    assert (row["bad"], row["licence"]) == ([], LogMelStats.licence)
    assert clip_ids() == ["a/owl.FLAC", "a/wren.ogg", "b.wav"]


def test_files_are_stored_by_their_names_as_given_and_once(embed, night):
    answer = embed("night/b.wav", "night/a", "night/b.wav", "--json")
    assert answer.code == 0
    assert clip_ids() == ["night/b.wav", "night/a/owl.FLAC", "night/a/wren.ogg"]


def test_a_second_run_embeds_nothing_and_a_third_what_is_new(embed, night):
    embed("night")
    (again,) = json.loads(embed("night", "--json").out)
    assert (again["windows"], again["embedded"]) == (15, 0)
    sf.write(night / "c.wav", np.random.default_rng(9).normal(0, 0.1, RATE), RATE)
    (more,) = json.loads(embed("night", "--json").out)
    assert (more["windows"], more["embedded"]) == (16, 1)
    assert "logmel_stats 1" in embed("night").out


def test_another_folder_of_the_same_recordings_embeds_nothing(embed, night):
    embed("night")
    (again,) = json.loads(embed("night/b.wav", "night/a", "--json", out="elsewhere").out)
    assert (again["windows"], again["embedded"]) == (15, 0)
    assert clip_ids("elsewhere") == ["night/b.wav", "night/a/owl.FLAC", "night/a/wren.ogg"]


def test_what_is_bad_gets_a_line_and_the_rest_is_stored(embed, night):
    os.truncate(night / "b.wav", 9_000)
    (night / "a" / "empty.wav").touch()
    (night / "a" / "text.mp3").write_text("no sound\n" * 99)
    answer = embed("night", "--json")
    assert answer.code == 2
    lines = sorted(answer.err.splitlines())
    assert lines[0] == "faunashot: a/empty.wav: empty file"
    assert lines[1].startswith("faunashot: a/text.mp3: ")
    assert lines[2].startswith("faunashot: b.wav: cut off: 55044 bytes of audio")
    assert len(lines) == 3
    (row,) = json.loads(answer.out)
    assert [bad["clip_id"] for bad in row["bad"]] == ["a/empty.wav", "a/text.mp3", "b.wav"]
    assert row["bad"][0]["error"] == "empty file"
    assert clip_ids() == ["a/owl.FLAC", "a/wren.ogg"]
    assert "55044" in embed("night").err  # the next run tells of it, too


def test_features_are_removed_only_where_that_is_said(embed, night):
    embed("night")
    kept = clip_ids()
    said = one_line(embed("night/b.wav"))
    assert "3 recordings that are not named now, such as a/owl.FLAC" in said
    assert clip_ids() == kept
    assert embed("night/b.wav", "--prune").code == 0
    assert clip_ids() == ["night/b.wav"]


def test_a_recording_that_is_not_there_gets_a_line(embed, night):
    assert one_line(embed("night/b.wav", "no such.wav"), 2) == "no such.wav: no such file"
    assert clip_ids() == ["night/b.wav"]


def test_what_a_recording_lacks_is_said_and_what_is_there_is_stored(embed, night):
    noise = np.random.default_rng(9).normal(0, 0.1, 100 * RATE)
    sf.write(night / "b.wav", noise, RATE)
    os.truncate(night / "b.wav", 44 + 2 * 90 * RATE)
    answer = embed("night", "--json")
    (line,) = answer.err.splitlines()
    assert line.startswith("faunashot: b.wav: cut off: 320000 bytes of audio that its header")
    assert answer.code == 0
    ((name, note),) = json.loads(answer.out)[0]["notes"]
    assert line == f"faunashot: {name}: {note}"
    assert store.load("store").index["end_s"].max() == 90.0


def test_the_hop_may_be_given_and_is_part_of_what_made_the_store(embed, night):
    (row,) = json.loads(embed("night", "--hop-s", 1, "--json").out)
    assert row["windows"] == 9
    said = one_line(embed("night"))
    assert said.startswith("store holds features of logmel_stats 1 (hop 1 s, weights ")
    assert store.load("store").spec.hop_s == 1.0


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        (
            ["night"],
            {"backbone": "logmel_stat"},
            "backbone: unknown value 'logmel_stat'; did you mean 'l",
        ),
        (["empty"], {}, "empty: holds no recordings"),
        (["night"], {"out": "night"}, "night holds a/owl.FLAC, which is no features of this ver"),
        (["night"], {"out": "night/b.wav"}, "night/b.wav"),
        (["night"], {"out": "s4://bucket/store"}, "s4://bucket/store: Protocol not known: s4"),
        (["night", "--hop-s", "0"], {}, "frontends.logmel_stats.hop_s: "),
        (["night", "--hop-s", "-1"], {}, "frontends.logmel_stats.hop_s: "),
        (["night", "--hop-s", "nan"], {}, "frontends.logmel_stats.hop_s: "),
        (["night", "--hop-s", "1e-9"], {}, "frontends.logmel_stats.hop_s: "),
        (["night", "--hop-s", "2"], {"backbone": "yamnet"}, "backbones.yamnet.hop_s: "),
    ],
)
def test_an_error_is_one_line_and_nothing_is_touched(arguments, options, said, embed, night):
    (night.parent / "empty").mkdir()
    before = {file: file.is_file() and file.read_bytes() for file in night.parent.rglob("*")}
    assert one_line(embed(*arguments, **options)).startswith(said)
    after = {file: file.is_file() and file.read_bytes() for file in night.parent.rglob("*")}
    assert after == before


@pytest.mark.parametrize("arguments", [["--workers", "0"], ["--engine", "spark"], []])
def test_arguments_that_are_none_are_refused(arguments, embed, night):
    named = ["night"] if arguments else []
    answer = embed(*named, *arguments)
    assert answer.code == 2
    assert "Error" in answer.err


def test_workers_change_no_byte(embed, night, monkeypatch):
    for workers in (1, 4):
        monkeypatch.setenv("FAUNASHOT_CACHE", f"cache of {workers}")
        assert embed("night", "--workers", workers, out=f"by {workers}").code == 0
    one, four = ({f.name: f.read_bytes() for f in Path(f"by {n}").iterdir()} for n in (1, 4))
    assert one == four
    assert len(one) == 4


def test_a_full_disk_is_one_line(embed, night, monkeypatch):
    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    said = one_line(embed("night"))
    assert said.endswith("no disk space left; what was being written has been dropped")
    assert list(Path("store").iterdir()) == []


@pytest.fixture
def inverted(tmp_path) -> Path:
    """A long and a short recording whose channels cancel each other out."""
    folder = tmp_path / "inverted"
    folder.mkdir()
    for name, length_s in (("long.wav", 130), ("short.wav", 2)):
        noise = np.random.default_rng(0).normal(0, 0.1, RATE * length_s)
        sf.write(folder / name, np.stack([noise, -noise], axis=1), RATE)
    return folder


def test_what_cannot_be_heard_is_not_stored_be_it_short_or_long(embed, inverted):
    sf.write(inverted / "silent.wav", np.zeros(150 * RATE), RATE)
    sf.write(inverted / "click.wav", np.ones(16), RATE)
    answer = embed("inverted", "--json")
    lines = sorted(answer.err.splitlines())
    assert [line.split(":")[1:3] for line in lines] == [
        [" click.wav", " too short"],
        [" long.wav", " its channels cancel each other out"],
        [" short.wav", " its channels cancel each other out"],
        [" silent.wav", " digital silence"],
    ]
    assert json.loads(answer.out)[0]["windows"] == 0


def test_a_channel_may_be_chosen_and_is_part_of_what_made_the_store(embed, inverted):
    assert embed("inverted", "--channel", "loudest").code == 0
    loudest = store.load("store")
    assert (loudest.spec.channel, clip_ids()) == ("loudest", ["long.wav", "short.wav"])
    said = one_line(embed("inverted"))
    assert said.startswith("store holds features of logmel_stats 1 (hop 0.5 s, weights ")
    assert "channel loudest" in said
    embed("inverted", "--channel", "right", out="right")
    np.testing.assert_allclose(store.load("right").windows, loudest.windows, atol=1e-4)


def test_ultrasound_is_slowed_down_and_its_times_are_its_own(embed, tmp_path):
    """As if it had been recorded at a tenth of the rate, but for the seconds in the index."""
    noise = np.random.default_rng(0).normal(0, 0.1, 16 * 160_000)
    sf.write(tmp_path / "bat.wav", noise, 160_000)
    sf.write(tmp_path / "slow.wav", noise, 16_000)
    (row,) = json.loads(embed("bat.wav", "--time-expansion", 10, "--json").out)
    assert row["audio_h"] == pytest.approx(16 / 3600, abs=5e-4)
    embed("slow.wav", out="slow")
    bat, slow = store.load("store"), store.load("slow")
    np.testing.assert_array_equal(bat.windows, slow.windows)
    for name in ("start_s", "end_s"):
        np.testing.assert_allclose(bat.index[name] * 10, slow.index[name])
    assert (bat.spec.time_expansion, bat.spec.hop_s) == (10, slow.spec.hop_s / 10)
    assert json.loads(Path("store/meta.json").read_text())["spec"]["time_expansion"] == 10
    assert "time_expansion" not in Path("slow/meta.json").read_text()


def test_what_the_network_cannot_hear_gets_a_line_a_kind(embed, night):
    for number in range(3):
        telephone = np.random.default_rng(number).normal(0, 0.1, 4_000)
        sf.write(night / f"telephone{number}.wav", telephone, 2_000)
    expected = (
        "3 of 6 recordings: there is nothing above 4.8 kHz, though logmel_stats listens up to "
        "16 kHz; the first is telephone0.wav"
    )
    for _ in range(2):  # also where all is cached
        answer = embed("night", "--json")
        assert (answer.code, answer.err) == (0, f"faunashot: {expected}\n")
        assert json.loads(answer.out)[0]["warnings"] == [expected]


def test_embed_sees_what_a_corpus_sees(embed, night):
    noise = np.random.default_rng(5).normal(0, 0.1, RATE)
    for name in ("c.WAV", "a/noext", ".hidden.wav", ".Trash-1000/x.wav", "._c.WAV"):
        (night / name).parent.mkdir(exist_ok=True)
        sf.write(night / name, noise, RATE, format="WAV")
    (night / "Thumbs.db").touch()
    assert embed("night").code == 0
    assert clip_ids() == ["a/noext", "a/owl.FLAC", "a/wren.ogg", "b.wav", "c.WAV"]
    assert embed("night/*", out="of glob").code == 0
    assert clip_ids("of glob") == [f"night/{name}" for name in clip_ids()]


def test_a_name_that_is_not_text_gets_a_line_and_the_rest_is_stored(embed, night):
    (night / "b.wav").rename(os.fsdecode(os.fsencode(night) + b"/caf\xe9.wav"))
    answer = embed("night", "--json")
    assert answer.err == "faunashot: caf\\udce9.wav: its name is not valid text: rename it\n"
    assert [bad["clip_id"] for bad in json.loads(answer.out)[0]["bad"]] == ["caf\\udce9.wav"]
    assert clip_ids() == ["a/owl.FLAC", "a/wren.ogg"]


def test_a_folder_or_glob_without_recordings_is_one_line(embed, night):
    Path("empty").mkdir()
    assert one_line(embed("empty")) == "empty: holds no recordings"
    assert one_line(embed("night/*.aiff")) == "night/*.aiff: matches no recordings"
    answer = embed("night", "empty")
    assert (answer.err, answer.code) == ("faunashot: empty: holds no recordings\n", 2)
