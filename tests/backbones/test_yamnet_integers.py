"""YAMNet in integers: chosen by `runtime`, features of its own, the same file each time."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from faunashot.backbones.base import load
from faunashot.backbones.yamnet import integers, model
from faunashot.backbones.yamnet.network import PATCH
from faunashot.errors import ParameterError, WeightsError
from faunashot.features.extractors import extractor
from faunashot.features.spec import Derivation, FeatureSpec
from faunashot.serving.requirements import requirements

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

BLOCKS = ((2, 4), (1, 8), (2, 16), (1, 16))
RANGES = ((-7.0, 5.0), (0.0, 8.0))
"""One convolution is in integers."""


@pytest.fixture(scope="module")
def variables() -> dict[str, np.ndarray]:
    """Of a small network like YAMNet, drawn."""
    rng = np.random.default_rng(0)
    found = {}

    def layer(name: str, shape: tuple[int, ...], n: int) -> None:
        kernel = "depthwise_kernel" if "depthwise" in name else "kernel"
        fan = np.prod(shape) / n if "depthwise" not in name else 9
        found[f"{name}/{kernel}"] = rng.normal(0, (2 / fan) ** 0.5, shape).astype(np.float32)
        found[f"{name}/bn/beta"] = rng.normal(0, 0.1, n).astype(np.float32)
        found[f"{name}/bn/moving_mean"] = rng.normal(0, 0.1, n).astype(np.float32)
        found[f"{name}/bn/moving_variance"] = rng.uniform(0.5, 2, n).astype(np.float32)

    layer("layer1/conv", (3, 3, 1, BLOCKS[0][1]), BLOCKS[0][1])
    for at, ((_, before), (_, n)) in enumerate(pairwise(BLOCKS), 2):
        layer(f"layer{at}/depthwise_conv", (3, 3, before, 1), before)
        layer(f"layer{at}/pointwise_conv", (1, 1, before, n), n)
    return found


def _run(network, patches: np.ndarray, output: str = integers.OUTPUT) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(network.SerializeToString())
    (found,) = session.run([output], {integers.INPUT: patches})
    return found


def _ranges(layers) -> list[tuple[float, float]]:
    """Of what the first four convolutions read, and of what they give."""
    names = [layer.name for layer in layers[:4]]
    network = integers.integer_network(layers, ranges=(), outputs=names)
    return [(-7, 5), *((0, float(_run(network, _patches(5), name).max())) for name in names)]


def _patches(n: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-6.9, 4.8, (n, *PATCH)).astype("f")


def test_without_integers_it_is_the_network_in_keras(variables) -> None:
    from faunashot.backbones.yamnet.network import yamnet_network

    network = yamnet_network(2, blocks=BLOCKS)
    network.assign(variables, but=("standard/", "logits/"))
    layers = integers.convolutions(variables, blocks=BLOCKS)
    ours = _run(integers.integer_network(layers, ranges=()), _patches(3))
    theirs = np.asarray(network.body(_patches(3), training=False))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


def test_integers_come_near_and_a_window_depends_on_no_other(variables) -> None:
    layers = integers.convolutions(variables, blocks=BLOCKS)
    exact = _run(integers.integer_network(layers, ranges=()), _patches(5))
    network = integers.integer_network(layers, ranges=_ranges(layers))
    ours = _run(network, _patches(5))
    error = np.linalg.norm(ours - exact) / np.linalg.norm(exact)
    assert 0 < error < 0.05
    alone = np.concatenate([_run(network, one[None]) for one in _patches(5)])
    np.testing.assert_array_equal(ours, alone)


def test_the_file_is_the_same_each_time_and_names_no_folder(variables) -> None:
    def written() -> bytes:
        layers = integers.convolutions(variables, blocks=BLOCKS)
        network = integers.integer_network(layers, ranges=RANGES)
        return network.SerializeToString(deterministic=True)

    assert written() == written()
    assert str(Path.home()).encode() not in written()
    assert integers.recipe_hash() != integers.recipe_hash(RANGES)


@pytest.mark.shared
def test_features_of_two_runtimes_are_never_mixed(tfhub: Path) -> None:
    usual, other = extractor("yamnet"), extractor("yamnet", options={"runtime": "onnx-int8"})
    specs = FeatureSpec.of(usual), FeatureSpec.of(other)
    assert specs[0] == FeatureSpec.of(extractor("yamnet", options={"runtime": "litert"}))
    assert "runtime" not in specs[0].to_json()
    assert specs[1].to_json()["runtime"] == "onnx-int8"
    assert FeatureSpec.from_json(specs[1].to_json()) == specs[1]
    assert "runtime onnx-int8" in str(specs[1])
    assert specs[0].weights_hash != specs[1].weights_hash
    assert Derivation.of(usual, None).key != Derivation.of(other, None).key


@pytest.mark.shared
def test_a_served_model_brings_what_runs_it(tfhub: Path) -> None:
    assert not extractor("yamnet").packages
    more = extractor("yamnet", options={"runtime": "onnx-int8"}).packages
    assert {line.split("==")[0] for line in requirements(["yamnet"], more=more)} >= {*model.NEEDS}


@pytest.mark.shared
def test_without_the_extra_it_says_so(tfhub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )
    load("yamnet")
    with pytest.raises(WeightsError, match=r"not installed: pip install 'faunashot\[onnx\]'"):
        load("yamnet", runtime="onnx-int8")


def test_another_runtime_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"backbones.yamnet.runtime: .*'onnx-int8'"):
        load("yamnet", runtime="onnx")
