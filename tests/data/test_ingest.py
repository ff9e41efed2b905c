"""ingest: every clip is decoded once; the good go on, the bad are listed with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import encoded
import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from faunashot.data.corpora import create
from faunashot.data.ingest import LOCATED, MEASURED, ingest
from faunashot.errors import CorpusError

RATE = 8000


def tone(seconds: float = 0.5, *, peak: float = 0.5) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return (peak * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


@pytest.fixture
def write(root: Path) -> Callable[..., None]:
    """Write a recording under the corpus' root."""

    def to(name: str, samples: np.ndarray, *, rate: int = RATE, **options: str) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        sf.write(root / name, samples, rate, **options)

    return to


@pytest.fixture
def ingested(root: Path) -> Callable[[], object]:
    return lambda: ingest(create("folder"), root)


def test_a_good_clip_is_measured(root, write, ingested):
    write("owl/a.wav", np.stack([tone(), tone()], axis=1))
    clip = ingested().clips.iloc[0]
    assert clip["duration_s"] == 0.5
    assert (clip["sample_rate"], clip["channels"], clip["codec"]) == (RATE, 2, "WAV/PCM_16")
    assert clip["peak"] == pytest.approx(0.5, abs=1e-3)
    assert clip["rms_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.02)
    assert clip["clipped_share"] == 0


def test_the_bad_are_listed_with_reasons_and_the_good_go_on(root, write, ingested):
    write("owl/good.wav", tone())
    write("owl/silent.wav", np.zeros(RATE, np.float32))
    write("owl/short.wav", tone(0.005))
    write("owl/nan.wav", np.full(RATE, np.nan, np.float32), subtype="FLOAT")
    write("owl/none.wav", np.zeros(0, np.float32))
    (root / "owl/empty.wav").touch()
    (root / "owl/text.wav").write_text("no sound\n" * 20)
    done = ingested()
    assert done.clips["path"].tolist() == ["owl/good.wav"]
    reasons = {b["path"]: b["reason"] for b in done.bad}
    assert reasons.pop("owl/text.wav").endswith("can decode it")
    assert reasons == {
        "owl/empty.wav": "empty file",
        "owl/nan.wav": f"holds {RATE} samples that are NaN or infinite",
        "owl/none.wav": "holds no samples",
        "owl/short.wav": f"too short: 40 samples at {RATE} Hz, under 10 ms",
        "owl/silent.wav": "digital silence: every sample is 0",
    }


def test_the_faintest_sound_is_not_silence(write, ingested):
    faint = np.zeros(RATE, np.float32)
    faint[7] = 2**-15
    write("owl/faint.wav", faint)
    assert len(ingested().clips) == 1


def test_what_the_corpus_found_wrong_is_listed_too(root, write, write_table, ingested):
    write("a.wav", tone())
    write("b.wav", tone())
    write_table(
        root / "labels.csv", ("path", "label"), ("a.wav", "owl"), ("a.wav", "cat"), ("b.wav", "owl")
    )
    done = ingested()
    assert done.clips["path"].tolist() == ["b.wav"]
    assert done.bad == [{"path": "a.wav", "reason": "it has more than one label: cat, owl"}]


def test_clipping_is_flagged_and_kept(write, ingested):
    write("owl/loud.wav", np.clip(tone(peak=1.5), -1, 1))
    write("owl/right.wav", tone(peak=0.9))
    done = ingested()
    assert len(done.clips) == 2
    assert not done.bad
    assert [f["path"] for f in done.flagged] == ["owl/loud.wav"]
    assert done.flagged[0]["reason"].startswith("clipping: ")


def test_peaks_of_floats_are_no_clipping_but_flat_tops_are(write, ingested):
    write("owl/loud.wav", 16 * tone(), subtype="FLOAT")
    write("owl/flat.wav", 8 * np.clip(tone(peak=1.5), -1, 1), subtype="FLOAT")
    write("owl/double.wav", 0.2 * np.clip(tone(peak=1.5), -1, 1), subtype="DOUBLE")
    done = ingested()
    assert [f["path"] for f in done.flagged] == ["owl/double.wav", "owl/flat.wav"]
    assert all(f["reason"].startswith("clipping: ") for f in done.flagged)
    assert done.clips["clipped_share"].tolist() == [
        pytest.approx(0.5, abs=0.05),
        pytest.approx(0.5, abs=0.05),
        0,
    ]


def test_the_order_is_that_of_the_paths_however_long_each_takes(root, write, ingested):
    for number, seconds in enumerate((4.0, 0.1, 2.0, 0.1, 1.0)):
        write(f"owl/{number}.wav", tone(seconds))
    (root / "owl/0bad.wav").touch()
    (root / "owl/9bad.wav").touch()
    first, second = ingested(), ingested()
    assert first.clips["duration_s"].tolist() == [4.0, 0.1, 2.0, 0.1, 1.0]
    assert first.clips["path"].tolist() == [f"owl/{n}.wav" for n in range(5)]
    assert [b["path"] for b in first.bad] == ["owl/0bad.wav", "owl/9bad.wav"]
    pd.testing.assert_frame_equal(first.clips, second.clips)


def test_the_report_counts_each_class(write, ingested):
    for name in ("owl/a.wav", "owl/b.wav", "wren/c.wav"):
        write(name, tone())
    report = ingested().report()
    assert report["clips"] == 3
    assert report["duration_s"] == 1.5
    assert report["clips_a_class"] == {"owl": 2, "wren": 1}
    assert report["bad"] == report["flagged"] == []
    assert (report["silent"], report["narrow_band"]) == (0, 3)


def test_too_many_bad_clips_raise_and_name_the_first(root, write, ingested):
    write("owl/good.wav", tone())
    write("owl/fine.wav", tone())
    (root / "owl/b.wav").touch()
    (root / "owl/a.wav").touch()
    done = ingested()
    done.refuse_if_too_many(0.5, name="folder")
    with pytest.raises(CorpusError) as raised:
        done.refuse_if_too_many(0.49, name="folder")
    said = str(raised.value)
    assert said.startswith("folder: 2 of 4 clips are bad, more than ingest.max_bad_share = 0.49")
    assert said.endswith("the first is owl/a.wav: empty file")


def test_a_corpus_that_is_not_here_has_no_clips_and_none_bad(root):
    done = ingest(create("none"), root / "missing")
    assert done.clips.empty
    assert set(MEASURED) <= set(done.clips.columns)
    done.refuse_if_too_many(0.0, name="none")


def test_the_known_broken_file_of_gtzan_is_reported_and_the_others_go_on(root, write):
    write("genres/jazz/jazz.00053.wav", tone())
    (root / "genres/jazz/jazz.00054.wav").write_bytes(b"\0" * 1000)
    found = ingest(create("gtzan"), root)
    assert found.clips["clip_id"].tolist() == ["jazz.00053"]
    (bad,) = found.bad
    assert bad["path"] == "genres/jazz/jazz.00054.wav"
    assert bad["reason"].endswith(
        "(known: this file is broken in the copies that are passed around)"
    )


def test_one_sound_in_other_containers_has_one_hash(root, write, ingested):
    sound = np.round(tone() * 2**15) / 2**15
    write("owl/a.wav", sound)
    write("owl/b.wav", sound, subtype="PCM_24")
    write("owl/c.flac", sound)
    write("owl/d.wav", sound, subtype="FLOAT")
    with sf.SoundFile(root / "owl/e.wav", "w", RATE, 1) as tagged:
        tagged.title = "an owl"
        tagged.write(sound)
    clips = ingested().clips
    assert clips["sha256"].nunique() == len(clips) == 5
    assert clips["sound_sha256"].nunique() == 1


def test_another_sound_rate_or_number_of_channels_has_another_hash(write, ingested):
    sound = tone()
    write("owl/a.wav", sound)
    write("owl/louder.wav", tone(peak=0.6))
    write("owl/faster.wav", sound, rate=2 * RATE)
    write("owl/stereo.wav", sound.reshape(-1, 2))
    assert ingested().clips["sound_sha256"].nunique() == 4


@pytest.mark.parametrize(
    ("name", "subtype", "bits"),
    [
        ("a.wav", "PCM_U8", 8),
        ("a.wav", "PCM_24", 24),
        ("a.flac", "PCM_16", 16),
        ("a.wav", "FLOAT", 32),
        ("a.wav", "DOUBLE", 64),
        ("a.wav", "MS_ADPCM", 0),
        ("a.ogg", "VORBIS", 0),
    ],
)
def test_the_bit_depth_is_that_of_the_codec(write, ingested, name, subtype, bits):
    write(f"owl/{name}", tone(), subtype=subtype)
    assert ingested().clips["bit_depth"].tolist() == [bits]


def test_what_the_recorder_left_is_measured(write, ingested):
    hiss = (1e-3 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    bout = np.concatenate([np.zeros(RATE // 2, np.float32), tone()])
    write("owl/hiss.wav", bout + hiss)
    write("owl/gated.wav", bout)
    clips = ingested().clips
    assert clips["path"].tolist() == ["owl/gated.wav", "owl/hiss.wav"]
    assert clips["noise_floor_db"].tolist() == [-120, pytest.approx(-60, abs=1)]
    assert clips["bandwidth_hz"].max() <= RATE / 2


@pytest.mark.parametrize(
    ("name", "coder", "codec", "bits"),
    [
        ("a.mka", "pcm_s24le", "MATROSKA/PCM_S24LE", 24),
        ("a.mka", "pcm_f32le", "MATROSKA/PCM_F32LE", 32),
        ("a.M4A", "aac", "MOV/AAC", 0),
    ],
)
def test_what_libsndfile_does_not_read_is_measured_too(root, ingested, name, coder, codec, bits):
    (root / "owl").mkdir()
    written = encoded.write(root / "owl" / name.lower(), tone(), RATE, codec=coder)
    written.rename(root / "owl" / name)
    clip = ingested().clips.iloc[0]
    assert (clip["sample_rate"], clip["codec"], clip["bit_depth"]) == (RATE, codec, bits)
    assert clip["rms_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=1)


def test_several_labels_a_clip_are_counted_by_class(root, write, write_table):
    for name in ("a.wav", "b.wav", "c.wav"):
        write(name, tone())
    rows = [("path", "label"), ("a.wav", "owl;frog"), ("b.wav", "owl"), ("c.wav", "")]
    write_table(root / "labels.csv", *rows)
    found = ingest(create("folder", multi_label=True), root)
    assert found.clips["label"].tolist() == ["frog;owl", "owl", ""]
    assert found.clips["multi_label"].tolist() == [True] * 3
    report = found.report()
    assert report["clips_a_class"] == {"frog": 1, "owl": 2}
    assert report["clips_of_no_class"] == 1


def test_one_label_a_clip_is_said_in_a_column_and_nowhere_else(root, write, ingested):
    write("owl/a.wav", tone())
    done = ingested()
    columns = [name for name in LOCATED if name != "problem"]
    assert list(done.clips.columns) == [*columns, *MEASURED, "multi_label"]
    assert done.clips["multi_label"].dtype == bool
    assert done.clips["multi_label"].tolist() == [False]
    assert "clips_of_no_class" not in done.report()


def test_a_corpus_of_bad_clips_alone_has_all_columns_and_a_report(root, ingested):
    (root / "owl").mkdir()
    (root / "owl/empty.wav").touch()
    done = ingested()
    assert done.report()["clips_a_class"] == {}
    assert {"label", "multi_label"} <= set(done.clips.columns)


def test_a_header_that_is_wrong_is_flagged_and_what_is_there_kept(root, write, ingested):
    """Also of a recorder all of whose headers announce 44 bytes too many, which is said of none."""
    for name in ("counted", "crashed", "cut"):
        write(f"owl/{name}.wav", tone())
    whole = (root / "owl/cut.wav").read_bytes()
    (root / "owl/counted.wav").write_bytes(whole[:-44])
    (root / "owl/crashed.wav").write_bytes(whole[:40] + b"\0\0\0\0" + whole[44:])
    (root / "owl/cut.wav").write_bytes(whole[:-800])
    done = ingested()
    assert done.bad == []
    assert done.clips["duration_s"].tolist() == [0.49725, 0.5, 0.45]
    assert [(flag["path"], flag["reason"][:30]) for flag in done.flagged] == [
        ("owl/crashed.wav", "its header gives no length: al"),
        ("owl/cut.wav", "cut off: 800 bytes of audio th"),
    ]


def test_what_a_network_may_not_hear_is_counted(write, ingested):
    write("owl/wide.wav", np.random.default_rng(0).normal(0, 0.1, 44_100), rate=44_100)
    write("owl/telephone.wav", np.random.default_rng(0).normal(0, 0.1, RATE))
    write("owl/silent.wav", np.zeros(RATE))
    write("owl/inverted.wav", np.stack([tone(), -tone()], axis=1))
    done = ingested()
    assert (done.report()["silent"], done.report()["narrow_band"]) == (1, 1)
    assert done.not_heard() == [
        "1 of 4 clips hold no sound",
        "1 of 4 clips hold nothing above 4.5 kHz",
    ]


def test_a_channel_may_be_chosen(root, write, ingested):
    write("owl/inverted.wav", np.stack([tone(), -tone()], axis=1))
    assert ingested().bad[0]["reason"].startswith("its channels cancel each other out")
    for channel in ("left", "right", "loudest"):
        done = ingest(create("folder"), root, channel=channel)
        assert (len(done.clips), done.bad) == (1, [])


def test_what_a_part_of_a_corpus_lacks_is_counted_and_said(root, make, write):
    make("urbansound8k", root)
    (root / "audio/fold10/9-8-0-2.wav").unlink()
    for name in ("7-3-0-0", "7-3-0-1"):
        write(f"audio/fold5/{name}.wav", tone())
    found = ingest(create("urbansound8k"), root)
    report = found.report()
    assert (report["clips"], report["missing"], report["bad"]) == (2, 1, [])
    assert report["missing_first"] == ["audio/fold10/9-8-0-2.wav"]
    assert report["missing_folds"] == ["1", "2", "3", "4", "6", "7", "8", "9", "10"]
    assert found.lacking() == (
        "1 clips that its table lists have no file, the first is audio/fold10/9-8-0-2.wav; "
        "no good clip in fold 1, 2, 3, 4, 6, 7, 8, 9, 10"
    )


def test_a_whole_corpus_lacks_nothing(root, make, write):
    make("demo", root)
    assert ingest(create("demo"), root).lacking() == ""
