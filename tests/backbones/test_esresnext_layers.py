"""ESResNeXt-fbsp: its front end, and the layers that are its own, against their definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from made_up import made_up_file
from safetensors.numpy import save_file

from faunashot.backbones._esresnext.front_end import FbspSamples
from faunashot.backbones.base import load
from faunashot.errors import ParameterError, WeightsError
from faunashot.features.extractors import FRONT_END, of_layer
from faunashot.features.spec import FeatureSpec
from faunashot.runtimes.keras_network import deterministic_tensorflow


@pytest.fixture
def tf() -> Any:
    return deterministic_tensorflow(threads=2)


def test_samples_are_on_the_networks_scale() -> None:
    samples = np.zeros(3 * 44_100, np.float32)
    samples[:3] = [-1, 0.5, 32_767 / 32_768]
    window = FbspSamples(hop_s=5.0)(samples)
    assert (window.shape, window.dtype) == ((1, 220_500), np.float32)
    expected = [-1, 2 * 49_152 / 65_535 - 1, 1, 1 / 65_535, 1 / 65_535]
    np.testing.assert_allclose(window[0, [0, 1, 2, 3, -1]], expected, atol=2e-7)


def test_windows_of_another_length_are_other_features(tmp_path) -> None:
    file = tmp_path / "any.safetensors"
    save_file({"fc.bias": np.ones(50, np.float32)}, file)
    plain, short = (
        load("esresnext_fbsp", weights=str(file), **options)
        for options in ({}, {"window_s": 0.96, "hop_s": 0.48})
    )
    specs = [FeatureSpec.of(of_layer(made, FRONT_END)) for made in (plain, short)]
    assert [(of.window_s, of.hop_s, of.dim) for of in specs] == [
        (5.0, 5.0, 220_500),
        (0.96, 0.48, 42_336),
    ]
    assert [(made.made_with.get("window_s"), made.variant) for made in (plain, short)] == [
        (None, ""),
        (0.96, "-0.96s"),
    ]


def test_a_step_that_drops_audio_is_refused_in_a_line() -> None:
    with pytest.raises(
        ParameterError, match=r"hop_s: a step of 5 s is longer than window_s, 0\.96"
    ):
        load("esresnext_fbsp", window_s=0.96)


def test_weights_of_other_classes_have_no_scores(tmp_path) -> None:
    fc = {"fc.weight": np.ones((50, 2048), np.float32), "fc.bias": np.ones(50, np.float32)}
    save_file(fc, tmp_path / "esc50.safetensors")
    made: Any = load("esresnext_fbsp", weights=str(tmp_path / "esc50.safetensors"))
    with pytest.raises(WeightsError, match=r"esc50\.safetensors has 50 classes of its own, not"):
        made.logits(np.zeros((1, 2048), np.float32))


@pytest.mark.slow
def test_wavelets_are_those_of_the_paper(tf) -> None:
    from scipy.signal import get_window

    from faunashot.backbones._esresnext.layers import wavelets

    rng = np.random.default_rng(0)
    layer = wavelets()()
    frames = rng.normal(0, 0.1, (2, 3, 1654)).astype(np.float32)
    layer(frames)
    m, fb = rng.uniform(0.05, 0.3, 1025), rng.normal(1, 0.1, 1025)
    fc = np.arange(1025) + rng.normal(0, 0.1, 1025)
    layer.m.assign(m), layer.fb.assign(fb), layer.fc.assign(fc)

    t = np.pi * np.linspace(-1, 1, 2048)[:, None] + 1e-8
    spline = np.sin(fb * t / (m + 1e-8)) / (fb * t / (m + 1e-8))
    wavelet = np.sqrt(fb / 2048) * spline.astype(complex) ** m * np.exp(-1j * fc * t)
    padded = np.pad(frames * get_window("blackmanharris", 1654), ((0, 0), (0, 0), (197, 197)))
    expected = np.square(np.abs(padded @ wavelet))[..., :1023]
    given = np.asarray(layer(frames))
    errors = np.abs(given - expected) / expected.max()  # large where a spline is nearly 0
    assert np.median(errors) < 1e-6
    assert errors.max() < 1e-3
    layer.keep()
    layer.fc.assign(0 * fc)
    np.testing.assert_array_equal(layer(frames), given)


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, 2])
def test_groups_of_channels_are_convolved_apart(tf, stride: int) -> None:
    from faunashot.backbones._esresnext.layers import grouped_convolution

    x = np.random.default_rng(0).normal(size=(2, 7, 6, 16)).astype(np.float32)
    layer = grouped_convolution()(3, stride=stride, groups=4)
    given = layer(x)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    for part in range(0, 16, 4):
        of = slice(part, part + 4)
        apart = tf.nn.conv2d(padded[..., of], layer.kernel[..., of], stride, "VALID")
        np.testing.assert_allclose(given[..., of], apart, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(43, 49), (86, 98), (22, 25), (5, 8)])
def test_adaptive_windows_overlap_where_the_size_is_odd(tf, size: tuple[int, int]) -> None:
    from faunashot.backbones._esresnext.network import _adaptive_max_pool
    from faunashot.runtimes.published_layers import PublishedLayers

    image = np.random.default_rng(0).uniform(size=(1, *size, 2)).astype(np.float32)
    expected = image
    for axis, n in enumerate(size, 1):
        half = -(-n // 2)
        windows = [range(i * n // half, math.ceil((i + 1) * n / half)) for i in range(half)]
        expected = np.stack([expected.take(window, axis).max(axis) for window in windows], axis)
    given = _adaptive_max_pool(PublishedLayers(), tf.constant(image))
    np.testing.assert_array_equal(given, expected)


@pytest.mark.slow
def test_every_part_can_be_trained(tf, tmp_path) -> None:
    file = str(made_up_file("esresnext_fbsp", tmp_path))
    made: Any = load("esresnext_fbsp", weights=file, window_s=0.96, hop_s=0.48)
    network = made.build(3, seed=0)
    assert network.frozen == 1
    assert network.model.input_shape == (None, 42_336)
    assert network.model.get_layer("spectrogram").output.shape == (None, 341, 74, 3)
    assert set(network.layers[0]) == {"fbsp.m", "fbsp.fb", "fbsp.fc"}
    samples = np.random.default_rng(0).normal(0, 0.1, 60_000).astype(np.float32)
    assert made.front_end(samples).shape == (2, 42_336)
    with tf.GradientTape() as tape:
        logits = network.model(made.front_end(samples), training=False)
        loss = tf.nn.softmax_cross_entropy_with_logits(2 * [[0.0, 1.0, 0.0]], logits)
    trained = [[v.value for v in layer.values() if v.trainable] for layer in network.layers]
    for gradients in tape.gradient(loss, trained):
        assert all(np.isfinite(gradient).all() for gradient in gradients)
        assert max(np.abs(gradient).max() for gradient in gradients) > 0
