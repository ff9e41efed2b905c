"""audit: copies of one recording under several names, labels, folds or corpora."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from faunashot.data.audit import SOURCE, TARGET, Audited, audit, examine
from faunashot.data.corpora import create
from faunashot.data.ingest import located

RATE = 16_000


@pytest.fixture(scope="session")
def sounds(tmp_path_factory) -> Callable[[str], Path]:
    """File of a sound: noise of its own for each letter; `~` makes it quieter and cuts it."""
    folder = tmp_path_factory.mktemp("sounds")

    def file(name: str) -> Path:
        path = folder / f"{name}.wav"
        if not path.exists():
            noise = np.random.default_rng(ord(name[0])).standard_normal(RATE)
            samples = 0.01 * noise[1000:] if name.endswith("~") else 0.1 * noise
            sf.write(path, samples, RATE)
        return path

    return file


@pytest.fixture
def audited(clips_of: Callable[..., pd.DataFrame], sounds) -> Callable[..., Audited]:
    """Audit a target, and a source where one is given, each as (clips, their sounds)."""

    def run(target: tuple[str, str], source: tuple[str, str] | None = None) -> Audited:
        tables = {TARGET: ingested(clips_of, *target)}
        tables[SOURCE] = ingested(clips_of, *source) if source else empty()
        heard = {
            (role, clip.path): sounds(clip.sound_sha256)
            for role, table in tables.items()
            for clip in table.itertuples()
        }
        return audit(*tables.values(), files=lambda role, path: heard[role, path])

    return run


def ingested(clips_of: Callable[..., pd.DataFrame], text: str, sounds: str) -> pd.DataFrame:
    return clips_of(text).assign(sound_sha256=sounds.split(), codec="WAV/PCM_16")


def empty() -> pd.DataFrame:
    """The clips of no corpus."""
    return located(create("none"), Path())


def groups(found: Audited) -> dict[str, str]:
    return dict(zip(found.clips["clip_id"], found.clips["group"], strict=True))


def test_nothing_is_found_where_nothing_is_wrong(audited):
    found = audited(("a owl 1 g1\nb owl 1 g1\nc cat 2 g2", "x y z"))
    assert found.report == {
        "clips": 3,
        "exact_duplicates": [],
        "near_duplicates": [],
        "crossing": [],
        "conflicts": [],
        "across_corpora": [],
        "wrong_extension": [],
        "groups": 2,
        "left_out": 0,
    }
    assert groups(found)["a"] == groups(found)["b"] != groups(found)["c"]


def test_exact_duplicates_join_their_groups(audited):
    found = audited(("a owl 1 g1\nb owl 1 g2\nc owl 1 g3", "x x z"))
    assert found.report["exact_duplicates"] == [["a.wav", "b.wav"]]
    assert found.report["groups"] == 2
    assert groups(found)["a"] == groups(found)["b"] != groups(found)["c"]
    assert len(found.clips) == 3


def test_groups_join_transitively(audited):
    """a = b by sound, b and c by group, c = d by sound: one group; e stays apart."""
    clips = "a owl 1 g1\nb owl 1 g2\nc owl 1 g2\nd owl 1 g3\ne owl 1 g4"
    found = audited((clips, "x x y y z"))
    joined = groups(found)
    assert len({joined[i] for i in "abcd"}) == 1
    assert joined["e"] != joined["a"]
    assert found.report["groups"] == 2


def test_copies_in_several_folds_are_reported_and_kept(audited):
    found = audited(("a owl 1 g1\nb owl 2 g2\nc owl 2 g3\nd owl 2 g4", "x x y y"))
    assert found.report["crossing"] == [["a.wav", "b.wav"]]
    assert len(found.clips) == 4


def test_copies_without_folds_do_not_cross(audited):
    assert audited(("a owl - g1\nb owl - g2", "x x")).report["crossing"] == []


def test_copies_with_several_labels_are_left_out(audited):
    found = audited(("a owl 1 g1\nb cat 1 g2\nc cat 1 g3", "x x y"))
    assert found.report["conflicts"] == [["a.wav", "b.wav"]]
    assert found.report["left_out"] == 2
    assert found.clips["clip_id"].tolist() == ["c"]


def test_several_labels_of_a_clip_are_compared_as_a_whole(audited):
    clips = "a cat;owl 1 g1\nb cat;owl 1 g2\nc cat;owl 1 g3\nd owl 1 g4"
    found = audited((clips, "x x~ y y"))
    assert found.report["conflicts"] == [["c.wav", "d.wav"]]
    assert found.clips["clip_id"].tolist() == ["a", "b"]


def test_source_clips_that_are_in_the_target_are_left_out(audited):
    found = audited(("a owl 1 g1\nb cat 1 g2", "x y"), ("s rain 1 g1\nt wind 1 g2", "x z"))
    assert found.report["across_corpora"] == [["a.wav", "s.wav"]]
    assert found.clips.groupby("role")["clip_id"].agg(list).to_dict() == {
        TARGET: ["a", "b"],
        SOURCE: ["t"],
    }


def test_every_source_copy_goes_also_where_there_are_several(audited):
    found = audited(("a owl 1 g", "x"), ("s rain 1 g1\nt rain 1 g2\nu wind 1 g3", "x x y"))
    assert found.clips["clip_id"].tolist() == ["a", "u"]
    assert found.report["left_out"] == 2


def test_groups_of_one_name_in_two_corpora_stay_apart(audited):
    found = audited(("a owl 1 g", "x"), ("s rain 1 g", "y"))
    assert len(set(found.clips["group"])) == 2


def test_conflicts_in_the_target_are_left_out_also_where_the_source_has_a_copy(audited):
    found = audited(("a owl 1 g1\nb cat 1 g2\nc cat 1 g3", "x x y"), ("s rain 1 g", "x"))
    assert found.clips["clip_id"].tolist() == ["c"]
    assert found.report["conflicts"] == [["a.wav", "b.wav"]]


def test_copies_in_several_folds_are_reported_also_where_the_source_has_one(audited):
    found = audited(("a owl 1 g1\nb owl 2 g2", "x x"), ("s rain 1 g", "x"))
    assert found.report["crossing"] == [["a.wav", "b.wav"]]
    assert found.report["exact_duplicates"] == [["a.wav", "b.wav", "s.wav"]]


def test_duplicates_are_found_whatever_the_order_of_rows(clips_of, sounds):
    table = ingested(clips_of, "a owl 1 g1\nb owl 2 g2\nc cat 2 g3\nd owl 1 g4", "x x y x~")
    heard = dict(zip(table["path"], table["sound_sha256"], strict=True))

    def file(role: str, path: str) -> Path:
        return sounds(heard[path])

    found = audit(table, empty(), files=file)
    turned = audit(table.iloc[::-1], empty(), files=file)
    assert turned.report == found.report
    assert groups(turned) == groups(found)


def test_near_duplicates_join_their_groups(audited):
    found = audited(("a owl 1 g1\nb owl 2 g2\nc owl 2 g3", "x x~ y"))
    (pair,) = found.report["near_duplicates"]
    assert pair["paths"] == ["a.wav", "b.wav"]
    assert pair["correlation"] > 0.99
    assert pair["offset_s"] == pytest.approx(1000 / RATE, abs=1e-3)
    assert found.report["exact_duplicates"] == []
    assert found.report["crossing"] == [["a.wav", "b.wav"]]
    assert groups(found)["a"] == groups(found)["b"] != groups(found)["c"]
    assert found.report["groups"] == 2


def test_a_near_duplicate_of_one_copy_is_one_of_all(audited):
    found = audited(("a owl 1 g1\nb owl 1 g2\nc owl 2 g3\nd owl 2 g4", "x x x~ y"))
    assert found.report["exact_duplicates"] == [["a.wav", "b.wav"]]
    assert len(found.report["near_duplicates"]) == 1
    assert found.report["crossing"] == [["a.wav", "b.wav", "c.wav"]]
    assert len({groups(found)[i] for i in "abc"}) == 1
    assert found.report["groups"] == 2


def test_near_duplicates_with_several_labels_are_left_out(audited):
    found = audited(("a owl 1 g1\nb cat 1 g2\nc cat 1 g3", "x x~ y"))
    assert found.report["conflicts"] == [["a.wav", "b.wav"]]
    assert found.clips["clip_id"].tolist() == ["c"]
    assert found.report["left_out"] == 2


def test_source_clips_that_are_nearly_in_the_target_are_left_out(audited):
    found = audited(("a owl 1 g1\nb cat 1 g2", "x y"), ("s rain 1 g1\nt wind 1 g2", "x~ z"))
    assert found.report["across_corpora"] == [["a.wav", "s.wav"]]
    assert found.report["conflicts"] == []
    assert found.clips["clip_id"].tolist() == ["a", "b", "t"]


def test_examining_several_corpora_leaves_every_clip_in(clips_of, sounds):
    heard = {"one": "x y", "two": "x~ z", "three": "x v"}
    tables = {
        name: ingested(clips_of, "a owl 1 g\nb cat 1 g", letters).assign(
            path=[f"{name}/a.wav", f"{name}/b.wav"]
        )
        for name, letters in heard.items()
    }

    def file(role: str, path: str) -> Path:
        return sounds(heard[role].split()["ab".index(path[-5])])

    found = examine(tables, files=file)
    assert len(found.clips) == found.report["clips"] == 6
    assert found.report["across_corpora"] == [["one/a.wav", "three/a.wav", "two/a.wav"]]
    assert found.report["exact_duplicates"] == [["one/a.wav", "three/a.wav"]]
    assert [pair["paths"] for pair in found.report["near_duplicates"]] == [
        ["one/a.wav", "two/a.wav"]
    ]
    assert "left_out" not in found.report


@pytest.mark.parametrize(
    ("name", "codec", "fits"),
    [
        ("a.wav", "WAV/PCM_16", True),
        ("a.WAV", "WAVEX/FLOAT", True),
        ("a.wav", "MP3/MPEG_LAYER_III", False),
        ("a.mp3", "MP3/MPEG_LAYER_III", True),
        ("a.mp3", "MOV/AAC", False),
        ("a.M4A", "MOV/AAC", True),
        ("a.wav", "MOV/AAC", False),
        ("a.wav", "WAV/ADPCM_G722", True),
        ("a.mp3", "MP3/MP3", True),
        ("a.webm", "MATROSKA/OPUS", True),
        ("a.wma", "ASF/WMAV2", True),
        ("a.wav", "TTA/TTA", False),
        ("a.tta", "TTA/TTA", True),
        ("a.flac", "OGG/VORBIS", False),
        ("a.oga", "OGG/OPUS", True),
        ("a.svx", "SVX/PCM_16", True),
        ("a", "WAV/PCM_16", False),
    ],
)
def test_a_name_that_does_not_say_what_the_file_holds_is_told(
    clips_of, tmp_path, monkeypatch, name, codec, fits
):
    (tmp_path / name).touch()
    monkeypatch.setattr("faunashot.data.audit.near_duplicates", lambda files: [])
    table = clips_of("a owl 1 g").assign(path=name, codec=codec, sound_sha256="x")
    report = audit(table, empty(), files=lambda role, path: tmp_path / path).report
    assert report["wrong_extension"] == ([] if fits else [{"path": name, "codec": codec}])


def test_of_several_labels_a_clip_only_the_same_samples_conflict(clips_of, sounds):
    """Clips that share a part may differ in what else is in them; copies may not."""
    text = "a owl 1 g1\nb owl;wren 1 g2\nc owl 1 g3\nd cat 1 g4"
    table = ingested(clips_of, text, "x x y y~").assign(multi_label=True)
    heard = dict(zip(table["path"], table["sound_sha256"], strict=True))
    found = audit(table, empty(), files=lambda role, path: sounds(heard[path]))
    assert found.report["conflicts"] == [["a.wav", "b.wav"]]
    assert found.clips["clip_id"].tolist() == ["c", "d"]
    assert groups(found)["c"] == groups(found)["d"]
    single = table.assign(multi_label=False)
    found = audit(single, empty(), files=lambda role, path: sounds(heard[path]))
    assert found.report["conflicts"] == [["a.wav", "b.wav"], ["c.wav", "d.wav"]]
