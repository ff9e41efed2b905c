"""What the augmentation of patches changes, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faunashot.audio.augment import mask, mixup


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
