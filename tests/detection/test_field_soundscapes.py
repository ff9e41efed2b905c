"""Clips mixed into background: where the tables say, as loud as they say."""

from __future__ import annotations

import json
import tracemalloc
from itertools import repeat

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.audio.mixing import LEVEL_DB, PlacedSound, Sound, background_of, mixed
from faunashot.audio.noise import activity_mask
from faunashot.detection.soundscapes import (
    SoundscapeSettings,
    SourceClip,
    corpus_clips,
    make_soundscapes,
    synthetic_clips,
)
from faunashot.errors import AudioError, ParameterError

RATE = 16_000


def beep(label: str, hz: float) -> SourceClip:
    """A clip of two seconds in which a tone is heard in the middle one."""

    def read() -> tuple[np.ndarray, int]:
        t = np.arange(RATE) / RATE
        tone = 0.3 * np.sin(2 * np.pi * hz * t)
        silence = np.zeros(RATE // 2)
        return np.concatenate([silence, tone, silence]).astype(np.float32), RATE

    return SourceClip(f"{label}.wav", label, read)


CLIPS = [beep("owl", 500), beep("wren", 4000)]


@pytest.fixture(scope="module")
def wind(tmp_path_factory) -> list:
    """Two recordings of noise, one with silence before and after it."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("wind")
    for number, silent in enumerate((0, RATE)):
        noise = np.pad(0.1 * rng.standard_normal(5 * RATE), silent)
        sf.write(folder / f"{number}.wav", noise, RATE, subtype="FLOAT")
    return sorted(folder.iterdir())


def settings(**others) -> SoundscapeSettings:
    return SoundscapeSettings(
        **({"minutes": 0.5, "per_minute": 12, "rate_hz": RATE, "snr_db": (10.0,)} | others)
    )


def test_clips_are_where_the_tables_say_and_as_loud(wind, tmp_path):
    quiet = make_soundscapes(tmp_path / "q", CLIPS, settings(snr_db=(-60.0,)), background=wind)
    made = make_soundscapes(tmp_path / "s", CLIPS, settings(), background=wind)
    mix, rate = sf.read(tmp_path / "s" / "audio" / "soundscape-000.wav")
    under, _ = sf.read(tmp_path / "q" / "audio" / "soundscape-000.wav")
    assert (rate, len(mix)) == (RATE, 30 * RATE)
    assert 20 * np.log10(under.std()) == pytest.approx(LEVEL_DB, abs=0.5)
    events = made.annotations
    same = ["file", "start_s", "end_s", "label", "clip"]
    pd.testing.assert_frame_equal(events[same], quiet.annotations[same])  # but for the ratio
    assert len(events) == 6
    assert (events["start_s"].to_numpy()[1:] - events["end_s"].to_numpy()[:-1] >= 0.99).all()
    sound = mix - under
    silent = np.ones(len(mix), dtype=bool)
    for _, event in events.iterrows():
        at = slice(round(event["start_s"] * RATE), round(event["end_s"] * RATE))
        silent[at] = False
        ratio_db = 10 * np.log10(np.mean(sound[at] ** 2) / np.mean(under[at] ** 2))
        assert ratio_db == pytest.approx(10, abs=0.5)
        assert event["end_s"] - event["start_s"] == pytest.approx(1, abs=0.1)  # not the clip's two
    assert np.abs(sound[silent]).max() < 1e-4
    read = ANNOTATION_FORMATS["raven"]().read(tmp_path / "s" / "annotations.selections.txt")
    np.testing.assert_allclose(read["start_s"], events["start_s"], atol=1e-5)
    facts = json.loads((tmp_path / "s" / "soundscapes.json").read_text())
    assert facts["settings"]["seed"] == 42


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_soundscapes(tmp_path / name, CLIPS, settings(seed=seed, minutes=0.3))
    a, b, c = (
        (tmp_path / name / "audio" / "soundscape-000.wav").read_bytes() for name in ("a", "b", "c")
    )
    assert a == b != c


def test_each_ratio_is_drawn_alike_and_clips_may_overlap(wind, tmp_path):
    wished = settings(files=2, minutes=0.2, per_minute=80, snr_db=(20.0, 0.0), overlap=True)
    events = make_soundscapes(tmp_path / "s", CLIPS, wished, background=wind).annotations
    assert events.groupby(["file", "snr_db"]).size().tolist() == [8] * 4
    assert events["event"].nunique() == 32
    with pytest.raises(ParameterError, match="do not fit into"):
        make_soundscapes(tmp_path / "t", CLIPS, settings(minutes=0.2, per_minute=80))
    assert not (tmp_path / "t").exists()


def test_what_would_be_too_loud_is_fainter_and_says_so():
    sound = Sound.of(CLIPS[0].read()[0], RATE, to_hz=RATE)
    placed = PlacedSound(100, len(sound.samples), lambda: sound, 60.0)
    noise = np.float32(0.01) * np.random.default_rng(0).standard_normal(3 * RATE, np.float32)
    (block,) = mixed(iter([noise]), [placed], n_samples=3 * RATE, rate_hz=RATE)
    assert 0.99 < np.abs(block).max() <= 1
    assert 30 < placed.snr_db < 40


def test_a_long_soundscape_is_not_in_memory():
    sound = Sound.of(CLIPS[0].read()[0], RATE, to_hz=RATE)
    hour = 3600 * RATE
    placed = [
        PlacedSound(start, len(sound.samples), lambda: sound, 0.0)
        for start in range(0, hour - 2 * RATE, 60 * RATE - 100)  # some across blocks
    ]
    noise = repeat(np.full(10 * RATE, 0.01, np.float32))
    tracemalloc.start()
    n = sum(len(b) for b in mixed(noise, placed, n_samples=hour, rate_hz=RATE))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n == hour
    assert peak < hour * 4 / 8


def test_silence_is_left_out_and_a_class_of_nothing_else_is_one_line(tmp_path, wind):
    silent = SourceClip("silent.wav", "owl", lambda: (np.zeros(RATE, np.float32), RATE))
    made = make_soundscapes(tmp_path / "s", [*CLIPS, silent], settings(), background=wind)
    assert made.problems == [("silent.wav", "digital silence")]
    with pytest.raises(AudioError, match="any clip of owl"):
        make_soundscapes(tmp_path / "t", [silent], settings(), background=wind)
    with pytest.raises(ParameterError, match="no clips"):
        make_soundscapes(tmp_path / "t", [], settings())
    with pytest.raises(ParameterError, match="dB"):
        make_soundscapes(tmp_path / "t", CLIPS, settings(snr_db=()))
    sf.write(tmp_path / "none.wav", np.zeros(RATE), RATE)
    with pytest.raises(AudioError, match=r"none.wav: digital silence"):
        next(background_of([tmp_path / "none.wav"], np.random.default_rng(0), rate_hz=RATE))


def test_clips_of_a_fold_alone(tmp_path):
    rows = ["path,label,fold"]
    for number in range(4):
        sf.write(tmp_path / f"{number}.wav", CLIPS[0].read()[0], RATE)
        rows.append(f"{number}.wav,owl,{number % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert [clip.name for clip in corpus_clips(tmp_path, folds=["1"])] == ["1.wav", "3.wav"]
    with pytest.raises(ParameterError, match="--fold"):
        corpus_clips(tmp_path, folds=["7"])


def test_synthetic_voices_are_heard():
    clip = synthetic_clips(seed=0, rate_hz=RATE)[0]
    samples, rate = clip.read()
    assert rate == RATE
    assert activity_mask(samples, rate).any()
    np.testing.assert_array_equal(samples, clip.read()[0])
