"""Batches of an epoch: drawn by its number and a seed, and clips are told by their target."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faunashot.audio.melspec import (
    EMPTY_DB,
    FLOOR_DB,
    FRAMES,
    N_MELS,
    SPREAD_DB,
    frame_power,
    is_there,
    normalised,
    power,
)
from faunashot.errors import ParameterError
from faunashot.estimators.training.batches import Augmentation, Epochs, as_spectrograms
from faunashot.estimators.training.keras_fit import Batch, made_ahead
from faunashot.estimators.windows.from_scratch import FromScratch

CLASSES = np.repeat([0, 1, 2], [11, 5, 2])
N = len(CLASSES)
LENGTHS = np.random.default_rng(0).integers(20, 90, N)
PLAIN = Augmentation(
    **{
        name: default
        for name, default in {**FromScratch.Options(batch_size=4).model_dump(), "seed": 1}.items()
        if name in Augmentation._fields
    }
)
ALL = {"noise": "calibrated", "masks": 2, "mixup": 0.3, "gain_db": 6.0, "shift": True}


def locked(array: np.ndarray) -> np.ndarray:
    """An array that raises where it is written to."""
    array.flags.writeable = False
    return array


def rows(lengths: np.ndarray, *, level_db: float, seed: int) -> np.ndarray:
    """Spectrograms of noise that is loud in its second half, in dB, as rows."""
    rng = np.random.default_rng(seed)
    db = level_db + 6 * rng.standard_normal((len(lengths), FRAMES, N_MELS))
    frame = np.arange(FRAMES)
    db[frame < lengths[:, None] // 2] -= 50
    db[frame >= lengths[:, None]] = EMPTY_DB
    return locked(np.float32(db).reshape(len(lengths), -1))


X = rows(LENGTHS, level_db=-20, seed=1)
CLEAN = normalised(as_spectrograms(X))
NOISE = rows(np.array([500, 30, 200]), level_db=-10, seed=2)
WEIGHT = locked(np.linspace(0.5, 1.5, N, dtype=np.float32))
OWN = locked(np.eye(N, dtype=np.float32))
"""Targets that say which clip a row is of."""


def epochs(*, recordings: np.ndarray | None = NOISE, any_length: bool = True, **how: Any) -> Epochs:
    return Epochs(
        *(X, CLASSES, OWN, WEIGHT),
        noise=recordings,
        how=PLAIN._replace(**how),
        any_length=any_length,
    )


def batches(number: int = 1, **settings: Any) -> list[Batch]:
    made = epochs(**settings)
    found = [batch for batch, _ in made_ahead(made(number))]
    assert len(found) == len(made)
    return found


def whole(number: int = 1, **settings: Any) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the clips of an epoch and their spectrograms of 500 frames."""
    found = batches(number, any_length=False, **settings)
    clips = np.concatenate([batch.target for batch in found]).argmax(axis=1)
    return clips, np.concatenate([batch.inputs for batch in found])


def noised(clips: np.ndarray, spectrograms: np.ndarray) -> np.ndarray:
    """Which rows of an epoch are not the clip itself."""
    return np.array(
        [not np.array_equal(s, CLEAN[c]) for c, s in zip(clips, spectrograms, strict=True)]
    )


def same(ours: list[Batch], theirs: list[Batch]) -> bool:
    """Whether all arrays are equal bit by bit."""
    return len(ours) == len(theirs) and all(
        np.array_equal(one, other)
        for mine, yours in zip(ours, theirs, strict=True)
        for one, other in zip(mine, yours, strict=True)
    )


@pytest.mark.parametrize("how", [{}, ALL, ALL | {"noise": "naive", "crop_frames": 16}])
def test_seed_and_number_say_an_epoch_whichever_came_before(how: dict[str, Any]) -> None:
    one = epochs(**how)
    first, second = (list(one(number)) for number in (1, 2))
    assert same(list(one(1)), first)
    assert same(batches(2, **how), second)
    assert not same(first, second)
    assert not same(batches(1, **how, seed=2), first)


def test_each_clip_is_there_once_as_it_is_with_its_target_and_weight() -> None:
    found = batches()
    assert [len(batch.target) for batch in found] == [4, 4, 4, 4, 2]
    seen = np.concatenate([batch.target for batch in found]).argmax(axis=1)
    assert sorted(seen) == list(range(N))
    assert seen.tolist() != sorted(seen)
    np.testing.assert_array_equal(np.concatenate([b.weight for b in found]), WEIGHT[seen])
    for batch in found:
        assert {array.dtype for array in batch} == {np.dtype(np.float32)}
        for clip, spectrogram in zip(batch.target.argmax(axis=1), batch.inputs, strict=True):
            np.testing.assert_array_equal(spectrogram, CLEAN[clip][: len(spectrogram)])
            assert len(spectrogram) >= LENGTHS[clip]
            assert len(spectrogram) % 32 == 0
    assert max(batch.inputs.shape[1] for batch in found) < FRAMES
    assert {b.inputs.shape[1] for b in batches(any_length=False)} == {FRAMES}


def test_in_several_passes_each_clip_is_there_as_often_each_time_otherwise() -> None:
    clips, spectrograms = whole(passes=3, masks=2)
    assert np.bincount(clips).tolist() == [3] * N
    assert len(np.unique(spectrograms, axis=0)) > 2.5 * N
    clips, spectrograms = whole(passes=2, noise="calibrated", noise_share=0.5)
    assert np.bincount(CLASSES[clips[noised(clips, spectrograms)]]).tolist() == [6, 6, 6]
    assert np.bincount(clips).min() == 2


def test_calibrated_noise_meets_as_many_clips_of_each_class() -> None:
    clips, spectrograms = whole(noise="calibrated", noise_share=0.7)
    mixed = noised(clips, spectrograms)
    assert np.bincount(CLASSES[clips[mixed]]).tolist() == [4, 4, 4]
    counts = np.bincount(clips, minlength=N)
    assert counts.tolist() == [1] * 16 + [2, 2]  # the rarest are there twice, each time otherwise
    assert len(np.unique(spectrograms[mixed], axis=0)) == 12


def test_naive_noise_meets_a_share_of_the_clips_and_adds_none() -> None:
    clips, spectrograms = whole(noise="naive", noise_share=0.5)
    assert noised(clips, spectrograms).sum() == 9
    assert sorted(clips) == list(range(N))


@pytest.mark.parametrize(("noise", "least_db"), [("naive", 0), ("calibrated", 10)])
def test_noise_lies_as_far_below_as_it_is_called_for(noise: str, least_db: float) -> None:
    clips, values = whole(noise=noise, noise_share=1.0, z_norm=False)
    found = []
    for clip, of_clip in zip(clips, values, strict=True):
        n = LENGTHS[clip]
        own = power(as_spectrograms(X[clip : clip + 1])[0, :n]).astype(float)
        seen = power((of_clip[:n] * SPREAD_DB + FLOOR_DB / 2).astype(np.float32)).astype(float)
        level, added = frame_power(own), frame_power(seen - own)
        counted = level >= level.max() / 1000 if noise == "calibrated" else np.full(n, True)
        if added[counted].sum() > 1e-4 * level[counted].sum():
            found.append(10 * np.log10(level[counted].sum() / added[counted].sum()))
    assert len(found) == N
    assert least_db - 0.05 < min(found) < least_db + 8
    assert 14 < max(found) < 20.05


def test_what_meets_the_same_clip_again_is_another_stretch_of_the_noise() -> None:
    how = {"noise": "calibrated", "noise_share": 1.0, "z_norm": False}
    clips, values = whole(recordings=NOISE[:1], **how)
    rare = np.flatnonzero(clips == N - 1)
    n = LENGTHS[N - 1]
    own = power(as_spectrograms(X[N - 1 :])[0, :n]).astype(float)
    seen = 10 ** ((values[rare, :n].astype(float) * SPREAD_DB + FLOOR_DB / 2) / 10)
    added = (seen - own).mean(axis=2)
    shares = added / added.sum(axis=1, keepdims=True)
    assert len(rare) == 3
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.median(np.abs(shares[one] / shares[other] - 1)) > 0.05


@pytest.mark.parametrize("recordings", [None, NOISE[:0]], ids=["none", "empty"])
def test_without_recordings_of_noise_it_is_said_where_to_put_them(recordings) -> None:
    with pytest.raises(ParameterError) as caught:
        epochs(noise="calibrated", recordings=recordings)
    assert str(caught.value) == (
        "noise: calibrated mixing needs recordings of noise: set noise.root to a folder of them"
    )


def test_recordings_of_noise_that_are_not_mixed_in_change_nothing() -> None:
    assert same(batches(noise_share=1.0), batches(noise_share=0.0))


@pytest.mark.parametrize("crop_frames", [0, 16])
def test_what_is_given_is_never_written_to(crop_frames: int) -> None:
    """All of it is locked, too."""
    given = (X, NOISE, OWN, WEIGHT, CLASSES)
    before = [array.copy() for array in given]
    for number in (1, 2):
        batches(number, **ALL, crop_frames=crop_frames)
    for array, copied in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copied)
    assert not np.shares_memory(as_spectrograms(X), X)


def test_a_crop_is_a_stretch_of_the_clip() -> None:
    starts = []
    for number in range(1, 6):
        for batch in batches(number, crop_frames=16, shift=True):
            assert batch.inputs.shape[1:] == (16, N_MELS)
            for clip, cut in zip(batch.target.argmax(axis=1), batch.inputs, strict=True):
                (start,) = np.flatnonzero((CLEAN[clip] == cut[0]).all(axis=1))
                np.testing.assert_array_equal(CLEAN[clip][start : start + 16], cut)
                assert start + 16 <= LENGTHS[clip]
                starts.append(start)
    assert len(set(starts)) > 20


def test_a_clip_that_shifts_is_whole_with_zeros_around_it() -> None:
    clips, spectrograms = whole(shift=True)
    starts = []
    for clip, seen in zip(clips, spectrograms, strict=True):
        (frames,) = np.nonzero(seen.any(axis=1))
        np.testing.assert_array_equal(seen[frames], CLEAN[clip][: LENGTHS[clip]])
        starts.append(frames[0])
        assert np.ptp(frames) == LENGTHS[clip] - 1
    assert len(set(starts)) > N / 2


def test_masks_hide_some_of_the_clip_and_nothing_after_its_end() -> None:
    clips, spectrograms = whole(masks=2)
    hidden = spectrograms != CLEAN[clips]
    for clip, of_clip in zip(clips, hidden, strict=True):
        assert not of_clip[LENGTHS[clip] :].any()
    assert 0.1 < hidden[is_there(as_spectrograms(X))[clips]].mean() < 0.45


def test_mixup_mixes_the_targets_too() -> None:
    target = np.concatenate([batch.target for batch in batches(mixup=0.5)])
    np.testing.assert_allclose(target.sum(axis=1), 1, rtol=1e-6)
    assert sorted(target.argmax(axis=1)) == list(range(N))
    assert ((target > 0).sum(axis=1) == 2).sum() > N / 3


def test_rows_that_are_no_spectrograms_are_refused_from_within_the_thread_too() -> None:
    message = r"backbone: .* spectrograms of 64000 values, such as logmel_frames.* rows of 1024"
    with pytest.raises(ParameterError, match=message):
        as_spectrograms(np.zeros((2, 1024), np.float32))
    narrow = Epochs(X[:, :1024], CLASSES, OWN, WEIGHT, noise=None, how=PLAIN, any_length=False)
    with pytest.raises(ParameterError, match=message):
        next(made_ahead(narrow(1)))


def test_an_epoch_that_is_left_early_leaves_the_next_one_as_it_is() -> None:
    one = epochs(**ALL)
    for _ in made_ahead(one(1)):
        break
    assert same(list(one(2)), batches(2, **ALL))
