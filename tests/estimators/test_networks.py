"""Networks that are trained from scratch: what they read and give, and what their seed says."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import pytest

from faunashot.audio.melspec import FRAMES, N_MELS
from faunashot.errors import ParameterError, WeightsError
from faunashot.estimators.networks import NETWORKS
from faunashot.runtimes.keras_network import Network

N_CLASSES = 3
each_network = pytest.mark.parametrize("name", NETWORKS.names())


def build(name: str, n_classes: int, *, seed: int) -> Network:
    return NETWORKS[name]().with_weights(n_classes, seed=seed)


@pytest.fixture(scope="module")
def built() -> Mapping[str, Network]:
    """Every network with the weights of seed 0."""
    return {name: build(name, N_CLASSES, seed=0) for name in NETWORKS}


@pytest.fixture(scope="module")
def inputs() -> np.ndarray:
    """Three normalised spectrograms of a whole window, and one of a clip that ends before."""
    drawn = np.random.default_rng(1).standard_normal((4, FRAMES, N_MELS)).astype(np.float32)
    drawn[:, :, 20:40] *= np.array([1, 3, 1, 2], np.float32)[:, None, None]
    drawn[3, 93:] = 0
    return drawn


def logits(network: Network, inputs: np.ndarray) -> np.ndarray:
    return np.asarray(network.model(inputs, training=False))


@each_network
def test_spectrograms_become_logits_that_tell_them_apart(name: str, built, inputs) -> None:
    found = logits(built[name], inputs)
    assert found.shape == (4, N_CLASSES)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert found.std(axis=0).max() > 1e-3
    assert np.abs(found.sum(axis=1) - 1).max() > 1e-3  # they are no probabilities


@each_network
def test_a_row_is_the_same_alone_and_among_others(name: str, built, inputs) -> None:
    alone = np.concatenate([logits(built[name], row[None]) for row in inputs])
    np.testing.assert_allclose(logits(built[name], inputs), alone, rtol=0, atol=1e-4)


@each_network
def test_a_seed_says_the_weights_and_the_names_whatever_was_built_before(name: str, built) -> None:
    """The first was built before all others, and what the process draws stands elsewhere."""
    random.seed(8)
    state = random.getstate()
    again = build(name, N_CLASSES, seed=0)
    assert random.getstate() == state
    first, second = built[name].arrays(), again.arrays()
    assert list(first) == list(second)
    for variable, array in first.items():
        np.testing.assert_array_equal(second[variable], array, err_msg=variable)
    other = build(name, N_CLASSES, seed=1).arrays()
    drawn = [v for v, array in first.items() if array.size > 2 and np.ptp(array) > 0]
    assert len(drawn) >= 4
    for variable in drawn:
        assert not np.array_equal(other[variable], first[variable]), variable
    assert len({first[variable].tobytes() for variable in drawn}) == len(drawn)


@each_network
def test_the_state_of_the_process_outlives_a_network_that_cannot_be_built(name: str) -> None:
    random.seed(8)
    state = random.getstate()
    with pytest.raises((TypeError, ValueError)):
        build(name, "three", seed=0)
    assert random.getstate() == state


@each_network
def test_all_that_is_learned_and_drawn_is_in_the_arrays(name: str, built) -> None:
    """So that weights, statistics and the next dropout are those that were saved."""
    network = built[name]
    assert {id(v) for v in network.variables.values()} >= {id(v) for v in network.model.variables}
    before = network.arrays()
    network.assign({v: a if "seed" in v else a + 1 for v, a in before.items()})
    for variable, array in network.arrays().items():
        if "seed" not in variable:
            np.testing.assert_allclose(array, before[variable] + 1, err_msg=variable)
    network.assign(before)


def test_weights_of_another_network_are_refused(built) -> None:
    plain, enhanced = built["cnn1d"], built["cnn1d_enhanced"]
    with pytest.raises(WeightsError, match="of another network"):
        plain.assign(enhanced.arrays())
    four = build("cnn1d", 4, seed=0).arrays()
    with pytest.raises(WeightsError, match=r"has shape \(4,\)|has shape \(64, 4\)"):
        plain.assign(four)


def test_a_network_that_is_not_known_is_told_the_nearest() -> None:
    with pytest.raises(
        ParameterError, match="network: unknown value 'cnn1d_enhancd'; did you mean"
    ):
        build("cnn1d_enhancd", 2, seed=0)


@pytest.fixture(scope="module")
def trained(built) -> Network:
    """The network of any length with statistics that are not those of the start."""
    network = build("cnn1d_enhanced", N_CLASSES, seed=0)
    rng = np.random.default_rng(2)
    drawn = {
        name: array + rng.uniform(0.1, 0.5, array.shape).astype(array.dtype)
        if array.ndim == 1 and "seed" not in name
        else array
        for name, array in network.arrays().items()
    }
    network.assign(drawn)
    return network


@pytest.mark.parametrize("n", [1, 2, 37, 93, 94, 499])
def test_frames_after_the_end_do_not_change_the_logits(n: int, trained: Network, inputs) -> None:
    clip = inputs[:1, :n]
    found = {}
    for frames in (n, n + 1, n + 7, FRAMES):
        padded = np.zeros((1, frames, N_MELS), np.float32)
        padded[:, :n] = clip
        found[frames] = logits(trained, padded)
    for frames, of_padded in found.items():
        np.testing.assert_allclose(of_padded, found[n], rtol=0, atol=1e-4, err_msg=str(frames))


def test_frames_after_the_end_are_no_part_of_the_statistics_it_learns(inputs) -> None:
    """A pass in training moves them alike, however far a clip is padded."""
    moved = []
    for frames in (128, FRAMES):
        network = build("cnn1d_enhanced", N_CLASSES, seed=0)
        clips = np.zeros((2, frames, N_MELS), np.float32)
        clips[0, :93], clips[1, :60] = inputs[0, :93] + 1, inputs[1, :60]
        before = network.arrays()
        network.model(clips, training=True)
        after = network.arrays()
        # those of the first layer: what follows is dropped out at random
        name = min(v for v in after if "moving_mean" in v)
        assert not np.array_equal(after[name], before[name])
        moved.append(after[name])
    np.testing.assert_allclose(moved[0], moved[1], rtol=1e-3, atol=1e-5)


def test_a_clip_of_no_frames_has_finite_logits(trained: Network) -> None:
    assert np.isfinite(logits(trained, np.zeros((2, 32, N_MELS), np.float32))).all()
