"""The network is YAMNet: the original's outputs under published weights; see tests/parity, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faunashot.backbones.yamnet.network import PATCH, build, yamnet_network
from faunashot.errors import WeightsError
from faunashot.runtimes.keras_network import CLASSIFIER, LayeredNetwork

TINY = [(2, 4), (2, 6), (2, 8)]
HUB_TOLERANCE = 1e-4


@pytest.fixture
def tiny() -> LayeredNetwork:
    return yamnet_network(3, blocks=TINY, seed=1)


def _embed(network: LayeredNetwork, patches: np.ndarray) -> np.ndarray:
    return network.body(patches.reshape(-1, *PATCH), training=False).numpy()


@pytest.mark.shared
@pytest.mark.slow
def test_published_weights_give_the_published_embeddings(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faunashot.backbones.base import load
    from faunashot.features.cut import cut
    from faunashot.features.extractors import extractor

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(shared / "tfhub"))
    yamnet = load("yamnet")
    front_end, network = yamnet.front_end, build(2, seed=0)
    files = sorted((shared / "data" / "esc50-mini" / "audio").iterdir())[::50]
    assert len(files) > 5
    noise = np.random.default_rng(0).normal(0, 0.1, (8, front_end.window_samples))
    heard = np.concatenate([front_end(window) for window in noise.astype(np.float32)])
    for patches in [heard, *(cut(file, extractor("yamnet")).inputs for file in files)]:
        ours = _embed(network, patches)
        np.testing.assert_allclose(ours, yamnet.embed(patches), rtol=0, atol=HUB_TOLERANCE)


def test_layers_go_from_the_patches_to_the_classifier(tiny: LayeredNetwork) -> None:
    assert len(tiny.layers) == len(TINY) + 1
    assert list(tiny.layers[0]) == [
        "layer1/conv/kernel",
        *(f"layer1/conv/bn/{name}" for name in ("beta", "moving_mean", "moving_variance")),
    ]
    assert tiny.variables["layer3/pointwise_conv/kernel"].shape == (1, 1, 6, 8)
    assert list(tiny.layers[-1])[-2:] == ["logits/kernel", "logits/bias"]
    assert _embed(tiny, np.zeros((2, *PATCH), np.float32)).shape == (2, 8)


def test_a_seed_gives_the_weights(tiny: LayeredNetwork) -> None:
    again, other = (yamnet_network(3, blocks=TINY, seed=seed) for seed in (1, 2))
    for name, array in tiny.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    kernel = "layer2/pointwise_conv/kernel"
    assert not np.array_equal(other.arrays()[kernel], tiny.arrays()[kernel])


def test_arrays_come_back(tiny: LayeredNetwork) -> None:
    arrays = {name: array + 1 for name, array in tiny.arrays().items()}
    tiny.assign(arrays)
    for name, array in tiny.arrays().items():
        np.testing.assert_array_equal(array, arrays[name])


def test_the_classifier_may_be_left_out(tiny: LayeredNetwork) -> None:
    own = tiny.arrays()
    arrays = {name: array + 1 for name, array in own.items()}
    arrays["logits/kernel"] = np.zeros((8, 521), np.float32)
    del arrays["standard/moving_mean"]
    tiny.assign(arrays, but=CLASSIFIER)
    np.testing.assert_array_equal(tiny.arrays()["logits/kernel"], own["logits/kernel"])
    name = "layer1/conv/kernel"
    np.testing.assert_array_equal(tiny.arrays()[name], own[name] + 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layer1/conv/bn/beta": None}, "they lack layer1/conv/bn/beta"),
        ({"layer4/conv/kernel": np.zeros(2)}, "they have layer4/conv/kernel"),
        ({"layer1/conv/bn/beta": np.zeros(5)}, r"layer1/conv/bn/beta has shape \(5,\), not \(4,\)"),
    ],
)
def test_weights_of_another_network_change_nothing(
    tiny: LayeredNetwork, change: dict, said: str
) -> None:
    before = tiny.arrays()
    arrays = {name: array + 1 for name, array in before.items()} | change
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(WeightsError, match=f"of another network: {said}") as caught:
        tiny.assign(arrays)
    assert "\n" not in str(caught.value)
    for name, array in tiny.arrays().items():
        np.testing.assert_array_equal(array, before[name])
