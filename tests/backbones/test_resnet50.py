"""ResNet50 on spectrograms is the network of Keras that sees the spectrogram in three channels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras2 import write_keras2

from faunashot.backbones.base import load
from faunashot.errors import WeightsError
from faunashot.frontends._grey_image import GREY, GreyImage
from faunashot.frontends.linear_image import LinearImage
from faunashot.frontends.mel_image import MelImage
from faunashot.runtimes.keras_network import settle_tensorflow
from faunashot.runtimes.litert import RUNTIME

TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def reference():
    """Keras' own network for images in colour, with drawn weights and statistics."""
    settle_tensorflow()
    from keras import applications

    frames, bands = MelImage.shape
    shape = (bands, frames, 3)
    made = applications.ResNet50(include_top=False, weights=None, input_shape=shape, pooling="avg")
    rng = np.random.default_rng(0)
    for variable in made.weights:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.0, variable.shape))
        elif variable.name != "kernel":
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return made


def layers_of(network: Any, *, numbered: bool = False) -> dict[str, dict[str, np.ndarray]]:
    return {
        f"{type(layer).__name__.lower()}_{number}" if numbered else layer.name: {
            v.name: np.asarray(v.numpy()) for v in layer.weights
        }
        for number, layer in enumerate(network.layers)
    }


@pytest.mark.slow
@pytest.mark.parametrize("numbered", [False, True])
def test_a_grey_image_gives_what_it_gives_in_colour(
    numbered: bool, reference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNTIME, "tensorflow")
    file = write_keras2(tmp_path / "net.h5", layers_of(reference, numbered=numbered))
    ours: Any = load("resnet50_mel", weights=str(file))
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * MelImage.window_samples)
    images = ours.front_end(noise.astype(np.float32))
    colour = np.repeat(images.transpose(0, 2, 1)[..., None], 3, axis=3)
    expected = np.asarray(reference(colour, training=False))
    embedding = ours.embed(images)
    assert embedding.shape == expected.shape == (2, 2048)
    assert np.abs(embedding - expected).max() < TOLERANCE * np.abs(expected).max()
    if numbered:
        return
    network = ours.build(3, seed=0)
    assert [len(part) for part in network.layers] == [6, 60, 78, 114, 60, 4]
    np.testing.assert_allclose(network.body(images, training=False), embedding, atol=1e-4)


@pytest.mark.slow
def test_a_network_that_is_not_whole_is_refused(reference, tmp_path: Path) -> None:
    layers = layers_of(reference)
    del layers["conv5_block3_3_bn"]
    file = write_keras2(tmp_path / "net.h5", layers)
    with pytest.raises(WeightsError, match="they lack conv5_block3_3_bn/beta"):
        load("resnet50_mel", weights=str(file)).build(2, seed=0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [MelImage, LinearImage])
def test_the_loudest_point_of_an_image_is_white_and_silence_black(kind: type[GreyImage]) -> None:
    front_end = kind(hop_s=5.0)
    noise = np.random.default_rng(0).normal(0, 0.1, MelImage.window_samples).astype(np.float32)
    noise[40_000:] = 0
    image = front_end(noise)[0] + GREY
    assert image.shape == kind.shape
    assert image.max() == pytest.approx(255)
    np.testing.assert_allclose(image[-100:], 0, atol=1e-4)
    np.testing.assert_allclose(front_end(noise / 8)[0] + GREY, image, atol=0.01)
    np.testing.assert_allclose(front_end(np.zeros(10, np.float32)) + GREY, 0, atol=1e-4)


def test_a_tone_is_a_white_line_at_its_frequency() -> None:
    """Of 257 frequencies from 0 to 8 kHz, 2 kHz is the one in the middle of the lower half."""
    tone = np.sin(2 * np.pi * 2000 * np.arange(LinearImage.window_samples) / 16_000)
    image = LinearImage(hop_s=5.0)(tone.astype(np.float32))[0] + GREY
    assert set(image.argmax(axis=1)) == {64}
    assert (image[:, 64] > 254.9).all()
    assert (image[:, 80:] < 100).all()
