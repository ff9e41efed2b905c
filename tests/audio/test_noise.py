"""Noise is mixed in at the ratio that is asked for, over what is heard of a clip."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from faunashot.audio.levels import level_db
from faunashot.audio.noise import ACTIVE_DB, Noise, NoiseMixer, active, mix
from faunashot.errors import AudioError, ParameterError

RATE = 16_000


def hiss(seconds: float, *, rms: float = 0.1, seed: int = 0, rate_hz: int = RATE) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, rms, round(seconds * rate_hz))
    return noise.astype(np.float32)


def bursts(*, faint: float = 0.0, seed: int = 1) -> np.ndarray:
    """Three seconds, of which 0.3 s and 0.5 s are heard."""
    clip = faint * hiss(3.0, seed=seed + 1)
    for start_s, length_s in ((0.4, 0.3), (1.9, 0.5)):
        at = round(start_s * RATE)
        clip[at : at + round(length_s * RATE)] += hiss(length_s, seed=seed)
    return clip


def heard_in(samples: np.ndarray) -> np.ndarray:
    """Frame by frame, as the definition has it: 64 ms every 32 ms, within 30 dB of the loudest."""
    starts = range(0, max(1, len(samples) - 512), 512)
    power = {at: float(np.mean(samples[at : at + 1_024].astype(float) ** 2)) for at in starts}
    mask = np.zeros(len(samples), dtype=bool)
    for at, value in power.items():
        if 10 * np.log10(max(value, 1e-30) / max(power.values())) >= -30:
            mask[at : at + 1_024] = True
    return mask


def ratio_db(samples: np.ndarray, mixed: np.ndarray) -> float:
    """Of the samples to what was added to them, over what is heard."""
    mask = heard_in(samples)
    added = mixed.astype(np.float64) - samples
    return 10 * np.log10(np.mean(samples[mask].astype(float) ** 2) / np.mean(added[mask] ** 2))


@pytest.mark.parametrize("snr_db", [20.0, 10.0, 5.0, 0.0, -3.5])
@pytest.mark.parametrize("faint", [0.0, 1e-3])  # the pauses: silence, and 60 dB below
def test_the_ratio_is_that_of_the_sound_and_not_of_its_pauses(snr_db, faint):
    clip = 0.3 * bursts(faint=faint)
    assert heard_in(clip).mean() < 0.4
    gusts = hiss(3.0, seed=5) * np.linspace(0.2, 1, 3 * RATE, dtype=np.float32)
    mixed = mix(clip, gusts, rate_hz=RATE, snr_db=snr_db)
    assert (mixed.shape, mixed.dtype) == (clip.shape, np.float32)
    assert ratio_db(clip, mixed) == pytest.approx(snr_db, abs=0.01)
    of_all_db = level_db(clip) - level_db(mixed.astype(np.float64) - clip)
    assert abs(of_all_db - snr_db) > 2


def test_what_is_added_is_the_noise_and_a_shorter_one_is_repeated():
    clip, noise = bursts(), hiss(0.7, seed=5)
    added = mix(clip, noise, rate_hz=RATE, snr_db=0.0) - clip
    expected = np.resize(noise, len(clip))
    gain = added @ expected / (expected @ expected)
    np.testing.assert_allclose(added, gain * expected, atol=1e-6)
    longer = mix(clip, hiss(9.0, seed=5), rate_hz=RATE, snr_db=0.0)
    np.testing.assert_array_equal(
        longer, mix(clip, hiss(9.0, seed=5)[: len(clip)], rate_hz=RATE, snr_db=0.0)
    )


def test_what_would_clip_is_fainter_as_a_whole():
    clip = bursts() * 3
    assert np.abs(clip).max() > 0.9
    mixed = mix(clip, hiss(3.0, seed=5), rate_hz=RATE, snr_db=0.0)
    assert np.abs(mixed).max() == pytest.approx(1.0, abs=1e-6)
    quiet = mix(clip / 16, hiss(3.0, seed=5), rate_hz=RATE, snr_db=0.0)
    np.testing.assert_allclose(mixed / mixed.std(), quiet / quiet.std(), rtol=1e-4, atol=1e-6)


def test_the_level_of_the_noise_does_not_count():
    clip, noise = bursts(), hiss(3.0, seed=5)
    faint, loud = (mix(clip, noise * np.float32(g), rate_hz=RATE, snr_db=5.0) for g in (1e-4, 7))
    np.testing.assert_allclose(faint, loud, atol=1e-6)


def test_an_offset_is_no_sound():
    clip, noise = bursts(), hiss(3.0, seed=5)
    shifted = mix(clip + np.float32(0.25), noise, rate_hz=RATE, snr_db=5.0)
    np.testing.assert_allclose(
        shifted - 0.25, mix(clip, noise, rate_hz=RATE, snr_db=5.0), atol=1e-4
    )


@pytest.mark.parametrize("value", [0.0, 0.1])
@pytest.mark.parametrize("n", [0, 1, 700, RATE])
def test_a_clip_without_sound_comes_back_as_it_is(value, n):
    clip = np.full(n, value, np.float32)
    for noise in (hiss(1.0), np.zeros(9, np.float32)):
        np.testing.assert_array_equal(mix(clip, noise, rate_hz=RATE, snr_db=0.0), clip)


@pytest.mark.parametrize("n", [2, 100, 512, 513, 1_024, 1_025, 1_537])
def test_clips_of_few_frames_have_the_ratio_too(n):
    clip = hiss(0.2)[:n]
    clip -= clip.mean()
    mixed = mix(clip, hiss(1.0, seed=5), rate_hz=RATE, snr_db=5.0)
    assert ratio_db(clip, mixed) == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("n", [0, 100, 5 * RATE])
def test_silent_noise_is_refused_in_one_line(n):
    with pytest.raises(AudioError, match=r"noise is silent where the recording holds sound$"):
        mix(bursts(), np.zeros(n, np.float32), rate_hz=RATE, snr_db=5.0)


@settings(deadline=None)
@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(0, 3), st.integers(0, 9)), elements=st.floats(0, 1e9)
    )
)
def test_active_frames_are_those_near_the_loudest(power):
    mask = active(power)
    assert (mask.shape, mask.dtype) == (power.shape, bool)
    for frames, found in zip(power, mask, strict=True):
        loudest = frames.max(initial=0)
        assert found.any() == (loudest > 0)
        assert found[frames == loudest].all() or loudest == 0
        assert (frames[found] >= loudest * 0.99 * 10 ** (-ACTIVE_DB / 10)).all()
        assert (frames[~found] <= loudest * 1.01 * 10 ** (-ACTIVE_DB / 10)).all()


@pytest.fixture
def wind(tmp_path: Path) -> tuple[Noise, ...]:
    """Three recordings of noise at two rates, one of them with seconds of silence in it."""
    gap = hiss(4.0, seed=12)
    gap[RATE : 3 * RATE] = 0
    sounds = {"a": (hiss(0.5, seed=10), RATE), "b": (hiss(2.0, seed=11, rate_hz=44_100), 44_100)}
    for name, (samples, rate_hz) in (sounds | {"c": (gap, RATE)}).items():
        sf.write(tmp_path / f"{name}.wav", samples, rate_hz, subtype="FLOAT")
    return tuple(Noise(tmp_path / f"{name}.wav", name * 64) for name in "abc")


@pytest.mark.parametrize("rate_hz", [8_000, RATE, 44_100])
def test_a_clip_keeps_its_rate_and_always_gets_the_same_noise(wind, rate_hz):
    clip = hiss(1.0, seed=3, rate_hz=rate_hz)
    mixer = NoiseMixer(10.0, wind)
    mixed, rate = mixer(clip, rate_hz)
    assert (rate, mixed.shape, mixed.dtype) == (rate_hz, clip.shape, np.float32)
    assert level_db(clip) - level_db(mixed - clip) == pytest.approx(10, abs=0.05)
    for again in (mixer, NoiseMixer(10.0, wind[::-1]), pickle.loads(pickle.dumps(mixer))):
        np.testing.assert_array_equal(again(clip.copy(), rate_hz)[0], mixed)


def test_clips_get_different_noise_from_different_places(wind):
    mixer = NoiseMixer(0.0, wind)
    clips = [hiss(0.5, seed=seed) for seed in range(30)]
    added = np.stack([mixer(clip, RATE)[0] / 1.0 - clip for clip in clips])
    alike = np.corrcoef(added) - np.eye(len(clips))
    assert (alike.max(axis=1) < 0.99).sum() > 15


def test_threads_read_the_noise_once_and_change_nothing(wind, monkeypatch):
    asked = []
    read = Noise.at
    monkeypatch.setattr(Noise, "at", lambda self, rate: asked.append(self) or read(self, rate))
    clips = [hiss(0.3, seed=seed) for seed in range(40)]
    mixer = NoiseMixer(5.0, wind)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda clip: mixer(clip, RATE)[0], clips))
    assert sorted(one.sha256[0] for one in asked) == ["a", "b", "c"]
    for clip, mixed in zip(clips, found, strict=True):
        np.testing.assert_array_equal(NoiseMixer(5.0, wind)(clip, RATE)[0], mixed)


@pytest.mark.parametrize("n", [1, 40, 900, RATE // 4, 9 * RATE])
def test_a_pause_in_the_noise_is_never_drawn(wind, n):
    mixer = NoiseMixer(0.0, wind[2:])
    for seed in range(20):
        clip = np.zeros(n, np.float32)
        clip[: RATE // 4] = hiss(0.25, seed=seed)[:n]
        if n > 1:
            clip[: RATE // 4] -= clip[: RATE // 4].mean()
        mixed = mixer(clip, RATE)[0]
        if n > 1:
            assert np.abs(mixed - clip).max() > 0
    assert np.isfinite(mixed).all()


def test_noise_that_is_one_click_is_found(tmp_path):
    click = np.zeros(20 * RATE, np.float32)
    click[12 * RATE] = 0.5
    sf.write(tmp_path / "click.wav", click, RATE, subtype="FLOAT")
    mixer = NoiseMixer(0.0, (Noise(tmp_path / "click.wav", "0"),))
    for seed in range(5):
        clip = hiss(0.1, seed=seed)
        assert np.abs(mixer(clip, RATE)[0] - clip).max() > 0.1


def test_a_silent_clip_is_left_alone_by_the_mixer(wind):
    clip = np.zeros(RATE, np.float32)
    np.testing.assert_array_equal(NoiseMixer(0.0, wind)(clip, RATE)[0], clip)


def test_noise_without_offset_repeats_without_a_click(tmp_path):
    tone = 0.5 + 0.3 * np.cos(2 * np.pi * 101.3 * np.arange(RATE // 2) / RATE)
    sf.write(tmp_path / "hum.wav", tone, RATE, subtype="FLOAT")
    loop = Noise(tmp_path / "hum.wav", "0").at(RATE)
    assert abs(loop.mean()) < 0.02
    assert level_db(loop) == pytest.approx(0, abs=1e-3)
    steps = np.abs(np.diff(np.tile(loop, 2)))
    assert steps.max() < 2 * steps[1_000:4_000].max()  # cut off as it is, it would jump by 40


def test_a_mixer_is_known_by_its_ratio_and_the_content_of_its_noise(wind, tmp_path):
    facts = NoiseMixer(20, wind).facts()
    assert facts == {"noise": {"snr_db": 20.0, "sha256": ["a" * 64, "b" * 64, "c" * 64]}}
    moved = tuple(Noise(tmp_path / "elsewhere", noise.sha256) for noise in wind[::-1])
    assert NoiseMixer(20.0, moved) == NoiseMixer(20.0, wind)
    assert NoiseMixer(20.0, moved).facts() == facts
    assert NoiseMixer(5.0, wind).facts() != facts != NoiseMixer(20.0, wind[1:]).facts()


def _silent(file: Path) -> None:
    sf.write(file, np.zeros(RATE), RATE)


def _offset(file: Path) -> None:
    sf.write(file, np.full(RATE, 0.1), RATE, subtype="FLOAT")


BAD = {
    "silent": (_silent, "is silent at 16000 Hz"),
    "offset": (_offset, "is silent at 16000 Hz"),
    "text": (lambda file: file.write_text("no sound\n" * 99), "can decode it"),
    "empty": (lambda file: file.write_bytes(b""), "empty file"),
    "gone": (lambda file: None, "no such file"),
}


@pytest.mark.parametrize("harm", BAD)
def test_a_recording_that_is_no_noise_is_named_in_one_line(harm, tmp_path):
    damage, reason = BAD[harm]
    file = tmp_path / "calm day.wav"
    damage(file)
    noise = Noise(file, "0")
    for read in (noise.at, lambda: NoiseMixer(5.0, (noise,))(bursts(), RATE)):
        with pytest.raises(AudioError, match=reason) as caught:
            read()
        assert str(caught.value).startswith(str(file))
        assert "\n" not in str(caught.value)


def test_a_mixer_without_noise_is_refused():
    with pytest.raises(ParameterError, match="at least"):
        NoiseMixer(5.0, ())
