"""Log-mel spectrograms are librosa's, and tell a recording from what comes after its end."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from faunashot.audio.melspec import (
    EMPTY_DB,
    FLOOR_DB,
    FRAMES,
    HOP,
    N_FFT,
    N_MELS,
    PCEN_SCALE,
    SAMPLE_RATE,
    frame_power,
    is_there,
    normalised,
    power,
    spectrograms,
)

WINDOW_HOP = 16 * SAMPLE_RATE


def noise(n: int, *, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def tone(n: int, *, hz: float = 1000.0, amplitude: float = 1.0) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hz * np.arange(n) / SAMPLE_RATE)).astype(np.float32)


def first(samples: np.ndarray) -> np.ndarray:
    """The first window, (500, 128)."""
    return spectrograms(samples, hop=WINDOW_HOP)[0]


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """Noise that gets louder, a chirp among noise, and noise of a full window, in dB."""
    rising = noise(20_000) * np.linspace(0.1, 1, 20_000, dtype=np.float32)
    chirp = 0.3 * librosa.chirp(fmin=500, fmax=5000, sr=SAMPLE_RATE, length=48_000)
    full = noise(N_FFT + (FRAMES - 1) * HOP, seed=2)
    each = (rising, chirp.astype(np.float32) + 0.1 * noise(48_000, seed=1), full)
    return np.stack([first(samples) for samples in each])


@pytest.mark.parametrize("samples", [noise(32_256), tone(32_256, hz=1234.5)], ids=["noise", "tone"])
def test_bands_are_those_of_librosa(samples: np.ndarray) -> None:
    settings = {"n_fft": N_FFT, "hop_length": HOP, "n_mels": N_MELS, "center": False}
    mel = librosa.feature.melspectrogram(y=samples.astype(float), sr=SAMPLE_RATE, **settings)
    expected = 10 * np.log10(mel.T)
    ours = first(samples)[: len(expected)]
    clear = expected > -60  # below that a tone leaves what rounding to float32 leaves
    assert clear.any(axis=1).all()
    np.testing.assert_allclose(ours[clear], expected[clear], rtol=0, atol=0.01)
    assert (ours[~clear] < -59).all()
    assert ours.dtype == np.float32


@pytest.mark.parametrize(
    ("n_samples", "frames"),
    [
        (1, [1]),
        (N_FFT, [1]),
        (N_FFT + 1, [2]),
        (3 * SAMPLE_RATE, [93]),
        (16 * SAMPLE_RATE, [499]),
        (16 * SAMPLE_RATE + HOP, [500]),
        (20 * SAMPLE_RATE, [500, 124]),
    ],
)
def test_frames_that_hold_a_sample_are_there_and_others_empty(
    n_samples: int, frames: list[int]
) -> None:
    """Of 20 s, the second window begins at 16 s."""
    db = spectrograms(noise(n_samples), hop=WINDOW_HOP)
    assert db.shape == (len(frames), FRAMES, N_MELS)
    assert is_there(db).sum(axis=1).tolist() == frames
    for window, n in zip(db, frames, strict=True):
        assert (window[:n] >= FLOOR_DB - 1e-4).all()  # rounded in float32
        assert (window[n:] == EMPTY_DB).all()
        assert is_there(window)[:n].all()


def test_the_second_window_goes_on_where_the_recording_does() -> None:
    samples = noise(20 * SAMPLE_RATE)
    second = spectrograms(samples, hop=WINDOW_HOP)[1]
    np.testing.assert_array_equal(second, first(samples[WINDOW_HOP:]))


def test_silence_is_there_at_the_floor() -> None:
    db = first(np.zeros(SAMPLE_RATE, np.float32))
    there = is_there(db)
    np.testing.assert_allclose(db[there], FLOOR_DB, rtol=0, atol=1e-4)
    assert (db[~there] == EMPTY_DB).all()
    assert there.sum() == 1 + -(-(SAMPLE_RATE - N_FFT) // HOP)


def test_samples_are_left_as_they_are() -> None:
    samples = noise(5_000)
    before = samples.copy()
    samples.flags.writeable = False
    first(samples)
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [(noise(4 * SAMPLE_RATE), 0.01), (tone(4 * SAMPLE_RATE), 0.5)],
    ids=["white noise", "tone of 1 kHz"],
)
def test_the_power_of_frames_is_that_of_their_samples(samples: np.ndarray, expected: float) -> None:
    db = first(samples)
    of_frames = frame_power(power(db))
    assert of_frames.shape == (FRAMES,)
    whole = of_frames[: 1 + (len(samples) - N_FFT) // HOP]
    assert whole.mean() == pytest.approx(np.square(samples, dtype=float).mean(), rel=0.02)
    assert whole.mean() == pytest.approx(expected, rel=0.03)
    assert (of_frames[~is_there(db)] == 0).all()


def test_normalised_by_itself_a_clip_has_zero_mean_and_unit_variance(clips: np.ndarray) -> None:
    louder = np.where(clips > EMPTY_DB, clips + 7, EMPTY_DB).astype(np.float32)
    of_clips, of_louder = normalised(clips), normalised(louder)
    assert of_clips.dtype == np.float32
    for there, values in zip(is_there(clips), of_clips, strict=True):
        assert values[there].mean(dtype=float) == pytest.approx(0, abs=1e-4)
        assert values[there].var(dtype=float) == pytest.approx(1, abs=1e-3)
        assert (values[~there] == 0).all()
    assert not is_there(clips)[:2].all()
    np.testing.assert_allclose(of_louder, of_clips, rtol=0, atol=1e-3)


@pytest.mark.parametrize("pcen", [False, True])
@pytest.mark.parametrize("z_norm", [False, True])
def test_silence_becomes_finite_and_its_end_zeros(z_norm: bool, pcen: bool) -> None:
    db = first(np.zeros(SAMPLE_RATE, np.float32))[None]
    values = normalised(db, z_norm=z_norm, pcen=pcen)
    assert np.isfinite(values).all()
    assert (values[~is_there(db)] == 0).all()
    if z_norm and not pcen:
        assert (values == 0).all()


def test_not_normalised_all_clips_are_shifted_and_scaled_alike(clips: np.ndarray) -> None:
    there, values = is_there(clips), normalised(clips, z_norm=False)
    slope, shift = np.polyfit(clips[there].ravel(), values[there].ravel(), 1)
    assert slope > 0
    np.testing.assert_allclose(values[there], slope * clips[there] + shift, rtol=0, atol=1e-3)
    assert (values[~there] == 0).all()
    np.testing.assert_array_equal(normalised(clips[1:2], z_norm=False)[0], values[1])


def test_pcen_is_librosas(clips: np.ndarray) -> None:
    ours = normalised(clips, z_norm=False, pcen=True)
    full = clips[2].astype(float)
    expected = librosa.pcen(10 ** (full / 10) * PCEN_SCALE, sr=SAMPLE_RATE, hop_length=HOP, axis=0)
    np.testing.assert_allclose(ours[2], expected, rtol=1e-3)
    assert (ours[~is_there(clips)] == 0).all()


@pytest.mark.parametrize("pcen", [False, True])
def test_spectrograms_are_left_as_they_are_and_normalised_each_for_itself(
    clips: np.ndarray, pcen: bool
) -> None:
    before = clips.copy()
    together = normalised(clips, pcen=pcen)
    alone = np.concatenate([normalised(clip[None], pcen=pcen) for clip in clips])
    np.testing.assert_array_equal(clips, before)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-5)
