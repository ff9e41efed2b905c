"""Landmarks find a sound wherever it is; the alignment proves it, and no look-alike fools it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.audio.decode import Audio
from faunashot.audio.fingerprint import (
    HOP,
    RATE_HZ,
    Alignment,
    _largest_within,
    align,
    comparable,
    landmarks,
)
from faunashot.audio.resample import resample
from faunashot.audio.synth import synthesise

SECOND = RATE_HZ


def animal(label: str, number: int, *, duration_s: float = 3.0) -> np.ndarray:
    rng = np.random.default_rng([ord(label[0]), number])
    return synthesise(label, rng, duration_s=duration_s, sample_rate=RATE_HZ)


def noise(number: int, *, duration_s: float = 3.0) -> np.ndarray:
    samples = np.random.default_rng(number).standard_normal(round(duration_s * RATE_HZ))
    return (0.1 * samples).astype(np.float32)


def aligned(first: np.ndarray, second: np.ndarray, *, offset: int = 0) -> Alignment:
    return align(first, second, offset=offset, around=max(offset, 0) + SECOND // 2)


DOG = animal("dog", 1)


def shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Offsets, in frames, of the keys that two recordings share."""
    one, two = landmarks(first), landmarks(second)
    _, at_one, at_two = np.intersect1d(one.keys, two.keys, return_indices=True)
    return one.frames[at_one] - two.frames[at_two]


def test_landmarks_are_a_thousand_a_second_each_once():
    found = landmarks(DOG)
    assert 300 < len(found.keys) / 3 < 1500
    assert (np.diff(found.keys) > 0).all()
    assert found.keys.shape == found.frames.shape
    assert found.frames.min() >= 0
    assert found.frames.max() * HOP <= len(DOG)


@pytest.mark.parametrize("samples", [1, 100, RATE_HZ])
def test_silence_has_no_landmarks(samples):
    assert len(landmarks(np.zeros(samples, dtype=np.float32)).keys) == 0


@given(octaves=st.integers(-12, 3), frames=st.integers(1, 60))
@settings(max_examples=20, deadline=None)
def test_landmarks_do_not_know_gain_and_move_with_the_sound(octaves, frames):
    louder = landmarks(DOG * np.float32(2.0**octaves))
    assert np.array_equal(louder.keys, landmarks(DOG).keys)
    offsets = shared(DOG, DOG[frames * HOP :])
    assert (offsets == frames).mean() > 0.8


def test_a_long_recording_has_the_landmarks_of_its_parts():
    late = np.concatenate([noise(0, duration_s=70), DOG])
    offsets = shared(late, DOG)
    assert np.median(offsets) == pytest.approx(70 * SECOND / HOP, abs=1)
    assert len(offsets) > len(landmarks(DOG).keys) / 4


def test_different_recordings_of_one_species_share_next_to_none():
    assert len(shared(DOG, animal("dog", 2))) < 5


CHANGES = {
    "quieter": (lambda x: 0.1 * x, 0.9999),
    "inverted": (lambda x: -x, -0.9999),
    "8 kHz": (lambda x: resample(resample(x, RATE_HZ, to_hz=8000), 8000, to_hz=RATE_HZ), 0.95),
    "noise": (lambda x: x + 0.05 * x.std() / 0.1 * noise(3), 0.95),
    "16 bit": (lambda x: np.round(x * 2**15) / 2**15, 0.99),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_the_same(change):
    changed, least = CHANGES[change]
    found = aligned(DOG, np.asarray(changed(DOG), dtype=np.float32))
    assert found.same
    assert found.correlation * np.sign(least) >= abs(least)
    assert found.offset_s == pytest.approx(0, abs=1e-4)


@given(start=st.integers(0, 2 * SECOND), error=st.integers(-400, 400))
@settings(max_examples=20, deadline=None)
def test_a_cut_is_put_where_it_was(start, error):
    cut = DOG[start : start + SECOND]
    found = aligned(DOG, cut, offset=start + error)
    assert found.same
    assert found.offset_s == pytest.approx(start / RATE_HZ, abs=1e-5)
    assert found.correlation > 0.99
    assert aligned(cut, DOG, offset=-start + error).offset_s == pytest.approx(-found.offset_s)


def test_offsets_between_samples_do_not_lower_the_correlation():
    original = animal("crow", 1)
    fine = resample(original, RATE_HZ, to_hz=48_000)
    shifted = resample(fine[1:], 48_000, to_hz=RATE_HZ)
    assert aligned(original, shifted).correlation > 0.98
    assert aligned(original, shifted).offset_s == pytest.approx(1 / 48_000, abs=1e-5)


def test_a_part_that_both_hold_is_found_between_parts_that_only_one_does():
    first = np.concatenate([noise(1), DOG, noise(2)])
    second = np.concatenate([animal("cow", 1), DOG, animal("hen", 1)])
    found = aligned(first, second)
    assert found.same
    assert found.correlation > 0.95
    assert found.common_s == pytest.approx(3, abs=0.4)


def test_padding_does_not_count():
    padded = np.concatenate([DOG[:SECOND], np.zeros(2 * SECOND, dtype=np.float32)])
    found = aligned(DOG, padded)
    assert found.same
    assert found.correlation > 0.99
    assert found.common_s <= 1.1


def tone(number: int, *hz: float) -> np.ndarray:
    t = np.arange(3 * SECOND) / RATE_HZ
    tones = sum(0.3 * np.sin(2 * np.pi * f * t + number) for f in hz)
    return (tones + 0.02 * noise(number)).astype(np.float32)


def click(number: int) -> np.ndarray:
    samples = np.zeros(3 * SECOND, dtype=np.float32)
    n, hz = 140 + 30 * number, 260 + 40 * number
    samples[SECOND : SECOND + n] = np.sin(2 * np.pi * hz * np.arange(n) / RATE_HZ) * np.hanning(n)
    return samples + 1e-4 * noise(number)


LOOK_ALIKES = {
    "noise": (noise(1), noise(2)),
    "a tone": (tone(1, 1000), tone(2, 1000)),
    "mains hum": (tone(1, *range(50, 500, 50)), tone(2, *range(50, 500, 50))),
    "a thump": (click(1), click(2)),
    "two dogs": (DOG, animal("dog", 2)),
    "silence": (DOG, np.zeros(3 * SECOND, dtype=np.float32)),
}


@pytest.mark.parametrize("kind", LOOK_ALIKES)
def test_a_look_alike_is_not_the_same(kind):
    assert not aligned(*LOOK_ALIKES[kind]).same


def test_too_little_overlap_proves_nothing():
    assert not aligned(DOG, DOG[-1000:], offset=len(DOG) - 1000).same
    assert not aligned(DOG, DOG, offset=2 * len(DOG)).same


def test_an_hour_is_compared_around_where_it_agrees():
    long = np.tile(noise(5, duration_s=60), 5)
    at = 200 * SECOND
    long[at : at + len(DOG)] = DOG
    found = align(long, DOG, offset=at, around=at + SECOND)
    assert found.same
    assert found.offset_s == pytest.approx(200, abs=1e-4)


def test_channels_that_cancel_out_are_not_lost():
    stereo = Audio(np.stack([DOG, -DOG], axis=1), RATE_HZ, "WAV/PCM_16")
    assert np.array_equal(comparable(stereo), DOG)


@pytest.mark.parametrize("shape", [(251, 512), (3, 40), (1, 5)])
def test_largest_within_is_scipys_maximum_filter(shape: tuple[int, int]) -> None:
    from scipy import ndimage

    level = np.random.default_rng(1).random(shape, dtype=np.float32)
    expected = ndimage.maximum_filter(level, size=(7, 13), mode="constant")
    assert np.array_equal(_largest_within(level, (7, 13)), expected)
