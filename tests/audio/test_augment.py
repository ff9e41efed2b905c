"""What the augmentation of patches and of spectrograms changes, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faunashot.audio import noise as waveforms
from faunashot.audio.augment import calibrated, crop, gain, mask, mix, mixup, naive, shift
from faunashot.audio.melspec import (
    EMPTY_DB,
    FLOOR_DB,
    SAMPLE_RATE,
    frame_power,
    is_there,
    power,
    spectrograms,
)

S = SAMPLE_RATE


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@given(
    seed=st.integers(0, 10**6),
    masks=st.integers(0, 3),
    frames=st.integers(0, 40),
    bands=st.integers(0, 20),
)
def test_stretches_are_hidden_behind_the_mean_and_the_rest_stays(seed, masks, frames, bands):
    rng = np.random.default_rng(seed)
    patches = rng.normal(size=(3, 12, 8)).astype(np.float32)
    before = patches.copy()
    masked = mask(patches, rng, masks=masks, frames=frames, bands=bands)
    np.testing.assert_array_equal(patches, before)
    assert masked.dtype == np.float32
    for own, seen in zip(patches, masked, strict=True):
        hidden = own != seen
        np.testing.assert_allclose(seen[hidden], own.mean(), rtol=0, atol=1e-6)
        whole_frames, whole_bands = hidden.all(axis=1), hidden.all(axis=0)
        np.testing.assert_array_equal(hidden, whole_frames[:, None] | whole_bands)
        assert hidden.all() or whole_frames.sum() <= masks * min(frames, 12)
        assert hidden.all() or whole_bands.sum() <= masks * min(bands, 8)


def test_patches_are_masked_each_in_its_own_places(rng):
    patches = rng.normal(size=(50, 96, 64)).astype(np.float32)
    hidden = mask(patches, rng, masks=1, frames=16, bands=8) != patches
    assert len(np.unique(hidden.reshape(50, -1), axis=0)) > 40
    assert 0.02 < hidden.mean() < 0.25


def test_the_larger_share_of_a_mixture_is_its_own(rng):
    patches = np.arange(40, dtype=np.float32).reshape(40, 1, 1)
    target, weight = np.eye(40, dtype=np.float32), np.ones(40, np.float32)
    mixed, share, weighed = mixup(patches, target, weight, rng, alpha=1.0)
    np.testing.assert_array_equal(share.argmax(axis=1), np.arange(40))
    np.testing.assert_allclose(share.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(mixed[:, 0, 0], share @ patches[:, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(weighed, 1, rtol=1e-6)
    assert (share.max(axis=1) < 0.95).any()


def test_a_weight_is_mixed_as_its_patch_is(rng):
    target, weight = np.eye(6, dtype=np.float32), np.arange(6, dtype=np.float32)
    _, share, weighed = mixup(np.zeros((6, 2, 2), np.float32), target, weight, rng, alpha=0.5)
    np.testing.assert_allclose(weighed, share @ weight, rtol=1e-5)


def in_db(samples: np.ndarray) -> np.ndarray:
    """The spectrogram of a clip of at most 16 s, (500, 128)."""
    return spectrograms(samples.astype(np.float32), hop=16 * S)[0]


def white(n: int, *, seed: int = 3) -> np.ndarray:
    return 0.03 * np.random.default_rng(seed).standard_normal(n)


def pink(n: int, *, seed: int = 4) -> np.ndarray:
    """Noise whose power falls by 3 dB an octave above 50 Hz."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    samples = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(n, 1 / S), 50)), n)
    return 0.03 * samples / samples.std()


def harmonic(n: int) -> np.ndarray:
    """A call that rises from 500 Hz, with three harmonics."""
    time_s = np.arange(n) / S
    phase = 2 * np.pi * (500 * time_s + 40 * time_s**2)
    return 0.2 * sum(np.sin(k * phase) / k for k in (1, 2, 3)) * np.hanning(n) ** 0.5


def hiss(n: int) -> np.ndarray:
    return 3 * white(n, seed=5) * np.hanning(n) ** 0.5


def within_silence(burst: np.ndarray) -> np.ndarray:
    return np.pad(burst, S)


CALL = in_db(within_silence(harmonic(S)))
NOISE = in_db(pink(2 * S))


def loud_frames(clip: np.ndarray) -> np.ndarray:
    """Frames of a clip within 30 dB of its loudest, (frames,)."""
    level = frame_power(power(clip))
    return level >= level.max() / 1000


def measured_snr_db(clip: np.ndarray, mixed: np.ndarray, *, of_active: bool) -> float:
    """The ratio of powers, from a clip and what became of it."""
    counted = loud_frames(clip) if of_active else is_there(clip)
    signal, both = (frame_power(power(db).astype(float))[counted].sum() for db in (clip, mixed))
    return float(10 * np.log10(signal / (both - signal)))


@pytest.mark.parametrize("of_active", [True, False])
@pytest.mark.parametrize("snr_db", [0.0, 10.0, 17.3])
def test_noise_lies_exactly_so_far_below_what_is_counted(snr_db: float, of_active: bool) -> None:
    mixed = mix(CALL, NOISE, snr_db=snr_db, of_active=of_active)
    assert measured_snr_db(CALL, mixed, of_active=of_active) == pytest.approx(snr_db, abs=0.01)
    other = measured_snr_db(CALL, mixed, of_active=not of_active)
    assert abs(other - snr_db) > 1  # pauses count or they do not
    assert mixed.dtype == np.float32


@pytest.mark.parametrize("off_db", [-0.2, 0.2, 1.0])
def test_the_measure_of_the_ratio_tells_a_gain_that_is_wrong(off_db: float) -> None:
    mixed = mix(CALL, NOISE, snr_db=10, of_active=True)
    signal = power(CALL).astype(float)
    added = (power(mixed) - signal) * 10 ** (off_db / 10)
    there = is_there(CALL)
    wrong = CALL.astype(float)
    wrong[there] = 10 * np.log10((signal + added)[there])
    found = measured_snr_db(CALL, wrong, of_active=True)
    assert found == pytest.approx(10 - off_db, abs=0.01)


@pytest.mark.parametrize("snr_db", [10.0, 20.0])
@pytest.mark.parametrize("noise_of", [white, pink])
@pytest.mark.parametrize(("burst", "median_db"), [(harmonic, 0.4), (hiss, 0.8)])
def test_mixed_spectrograms_are_those_of_mixed_recordings(
    burst, median_db: float, noise_of, snr_db: float
) -> None:
    """Where sound and noise share a band, their phases move it by a little; in the pauses, and in
    the mean, they do not.
    """
    samples = within_silence(burst(2 * S))
    noise = noise_of(len(samples))
    ours = mix(in_db(samples), in_db(noise), snr_db=snr_db, of_active=True)
    heard = waveforms.mix(
        samples.astype(np.float32), noise.astype(np.float32), rate_hz=S, snr_db=snr_db
    )
    assert np.abs(heard).max() < 0.99  # it was not made fainter
    theirs = in_db(heard)
    active = loud_frames(in_db(samples))
    pauses = is_there(ours) & ~active
    assert min(active.sum(), pauses.sum()) > 50
    assert np.median(np.abs(ours - theirs)[active]) < median_db

    def mean_db(db: np.ndarray, frames: np.ndarray) -> float:
        return float(10 * np.log10(frame_power(power(db))[frames].mean()))

    assert mean_db(ours, active) == pytest.approx(mean_db(theirs, active), abs=0.2)
    assert mean_db(ours, pauses) == pytest.approx(mean_db(theirs, pauses), abs=0.35)


def test_a_shorter_noise_is_repeated_from_where_it_starts() -> None:
    n, short = int(is_there(CALL).sum()), in_db(white(S // 2))
    of_noise = int(is_there(short).sum())
    assert of_noise < n / 4
    repeated = np.full_like(CALL, EMPTY_DB)
    repeated[:n] = short[(5 + np.arange(n)) % of_noise]
    np.testing.assert_array_equal(
        mix(CALL, short, snr_db=5, of_active=True, start=5),
        mix(CALL, repeated, snr_db=5, of_active=True),
    )


def test_frames_after_the_end_stay_empty_and_nothing_given_is_changed() -> None:
    clip, noise = CALL.copy(), NOISE.copy()
    mixed = mix(clip, noise, snr_db=0, of_active=True, start=7)
    there = is_there(clip)
    assert (mixed[~there] == EMPTY_DB).all()
    assert (mixed[there] >= clip[there] - 1e-3).all()
    np.testing.assert_array_equal(clip, CALL)
    np.testing.assert_array_equal(noise, NOISE)


SILENCE = in_db(np.zeros(S))


@pytest.mark.parametrize("of_active", [True, False])
@pytest.mark.parametrize(
    ("clip", "noise"), [(SILENCE, NOISE), (CALL, SILENCE)], ids=["silent clip", "silent noise"]
)
def test_silence_is_neither_mixed_into_nor_mixed_in(clip, noise, of_active: bool) -> None:
    np.testing.assert_array_equal(mix(clip, noise, snr_db=10, of_active=of_active), clip)


CLASSES = np.repeat([0, 1, 2], [70, 27, 3])


def test_naive_noise_meets_clips_of_any_class(rng) -> None:
    drawn = naive(CLASSES, rng, share=0.4)
    assert len(drawn.rows) == len(set(drawn.rows)) == len(drawn.snr_db) == 40
    assert not drawn.of_active
    every = [naive(CLASSES, rng, share=0.4) for _ in range(200)]
    met = np.bincount(np.concatenate([m.rows for m in every]), minlength=100) / 200
    np.testing.assert_allclose(met, 0.4, atol=0.15)
    by_class = np.bincount(CLASSES, met)
    np.testing.assert_allclose(by_class / np.bincount(CLASSES), 0.4, atol=0.04)
    snr_db = np.concatenate([m.snr_db for m in every])
    assert 0 <= snr_db.min() < 0.1
    assert 19.9 < snr_db.max() <= 20
    assert snr_db.mean() == pytest.approx(10, abs=0.3)


def test_calibrated_noise_meets_as_many_clips_of_each_class(rng) -> None:
    every = [calibrated(CLASSES, rng, share=0.6) for _ in range(200)]
    for drawn in every:
        assert np.bincount(CLASSES[drawn.rows]).tolist() == [20, 20, 20]
        of_rare = drawn.rows[CLASSES[drawn.rows] == 2]
        assert set(np.bincount(of_rare)[97:]) == {6, 7}  # each as often, as far as it goes
        assert len(set(drawn.rows[CLASSES[drawn.rows] == 0])) == 20
        assert len(drawn.snr_db) == 60
        assert drawn.of_active
    snr_db = np.concatenate([m.snr_db for m in every])
    assert 10 <= snr_db.min() < 10.1
    assert 19.9 < snr_db.max() <= 20
    met = np.bincount(np.concatenate([m.rows for m in every]))[:70] / 200
    np.testing.assert_allclose(met, 20 / 70, atol=0.15)


@pytest.mark.parametrize("drawing", [naive, calibrated])
def test_a_share_of_none_is_no_clip(rng, drawing) -> None:
    assert len(drawing(CLASSES, rng, share=0.0).rows) == 0


def test_a_gain_moves_each_clip_as_a_whole(rng) -> None:
    clips = np.stack([CALL, NOISE] * 20)
    clips[:, :5] = FLOOR_DB
    before = clips.copy()
    louder = gain(clips, rng, most_db=6)
    np.testing.assert_array_equal(clips, before)
    assert louder.dtype == np.float32
    there = is_there(clips)
    assert (louder[~there] == EMPTY_DB).all()
    assert (louder[there] >= FLOOR_DB).all()
    moved = []
    for own, seen in zip(clips, louder, strict=True):
        free = (own > FLOOR_DB + 6) & is_there(own)[:, None]
        steps = (seen - own)[free]
        assert np.ptp(steps) < 1e-3
        moved.append(steps.mean())
    assert np.abs(moved).max() <= 6.001
    assert min(moved) < -4
    assert max(moved) > 4


def counted_frames(lengths: np.ndarray, *, longest: int = 40) -> np.ndarray:
    """Spectrograms whose frames hold their number, from 1 on, and 0 after the end."""
    number = np.arange(1, longest + 1)
    frames = np.where(number <= lengths[:, None], number, 0)
    return np.repeat(frames[..., None], 2, axis=2).astype(np.float32)


def test_a_long_clip_is_cut_at_a_drawn_place_within_it(rng) -> None:
    clip = counted_frames(np.array([30]))[0, :30]
    cuts = np.stack([crop(clip, rng, frames=10) for _ in range(300)])
    starts = cuts[:, 0, 0]
    np.testing.assert_array_equal(cuts[..., 0], starts[:, None] + np.arange(10))
    assert set(starts) == set(range(1, 22))


def test_a_short_clip_is_not_cut(rng) -> None:
    clip = counted_frames(np.array([10]))[0, :10]
    for frames in (10, 11, 500):
        np.testing.assert_array_equal(crop(clip, rng, frames=frames), clip)


def test_a_clip_is_shifted_to_anywhere_that_holds_all_of_it(rng) -> None:
    lengths = np.repeat([4, 1, 10], 200)
    clips = counted_frames(lengths)[:, :10]
    before = clips.copy()
    shifted = shift(clips, rng, lengths=lengths)
    np.testing.assert_array_equal(clips, before)
    np.testing.assert_array_equal(shifted[400:], clips[400:])
    starts = (shifted[..., 0] > 0).argmax(axis=1)
    assert set(starts[:200]) == set(range(7))
    assert set(starts[200:400]) == set(range(10))
    for start, seen in zip(starts[:200], shifted[:200, :, 0], strict=True):
        np.testing.assert_array_equal(seen[start : start + 4], [1, 2, 3, 4])
        assert seen.sum() == 10


@given(seed=st.integers(0, 10**6), masks=st.integers(1, 3), fewest=st.integers(0, 3))
def test_frames_after_the_end_are_never_hidden(seed: int, masks: int, fewest: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 31, 8)
    clips = rng.normal(size=(8, 30, 6)).astype(np.float32)
    masked = mask(
        clips, rng, masks=masks, fewest=min(fewest, masks), frames=50, bands=4, lengths=lengths
    )
    after = np.arange(30) >= lengths[:, None]
    np.testing.assert_array_equal(masked[after], clips[after])


def test_between_the_fewest_and_the_most_masks_any_number_is_drawn(rng) -> None:
    """Counted in runs of frames, of masks so narrow and spectrograms so long that few meet."""
    clips = rng.normal(size=(400, 4000, 1)).astype(np.float32)

    def runs(**how: int) -> np.ndarray:
        hidden = (mask(clips, rng, frames=3, bands=0, **how) != clips).any(axis=2)
        return (np.diff(hidden, axis=1, prepend=False) & hidden).sum(axis=1)

    drawn = runs(masks=4, fewest=1)  # a quarter of them is of width 0
    assert set(drawn) == {0, 1, 2, 3, 4}
    assert drawn.mean() == pytest.approx(0.75 * 2.5, abs=0.25)
    assert runs(masks=4).mean() == pytest.approx(0.75 * 4, abs=0.2)
    assert runs(masks=2, fewest=0).mean() == pytest.approx(0.75 * 1, abs=0.2)
    assert runs(masks=0).max() == 0
