"""OpenL3's published files are read layer by layer; its front end; what can be trained."""

from __future__ import annotations

import gzip
from typing import Any

import numpy as np
import pytest
from keras2 import write_keras2
from safetensors.numpy import save_file

from faunashot.backbones._openl3.front_end import OpenL3Linear, OpenL3Mel128, OpenL3Mel256
from faunashot.backbones._openl3.model import in_order, published_file
from faunashot.backbones._openl3.network import LAYERS
from faunashot.backbones.base import load
from faunashot.errors import ParameterError, WeightsError
from faunashot.weights.files import OWN

FRONT_ENDS = [OpenL3Linear, OpenL3Mel128, OpenL3Mel256]
FILTERS = {"1": 64, "2": 128, "3": 256, "4": 512, "_": 512}


def drawn() -> dict[str, dict[str, np.ndarray]]:
    """Tensors of each layer by our names."""
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, np.ndarray]] = {}
    n_in = n_out = 1
    for layer in LAYERS:
        if layer.startswith(("conv", "audio")):
            n_in, n_out = n_out, FILTERS[layer.removeprefix("conv")[0] if "conv" in layer else "_"]
            kernel = rng.normal(0, (2 / (9 * n_in)) ** 0.5, (3, 3, n_in, n_out))
            found[layer] = {"kernel": kernel, "bias": rng.normal(0, 0.1, n_out)}
        else:
            names = ("gamma", "beta", "moving_mean", "moving_variance")
            found[layer] = {of: rng.uniform(0.5, 1.5, n_out) for of in names}
    return {n: {of: a.astype(np.float32) for of, a in t.items()} for n, t in found.items()}


def numbered(layers: dict[str, dict[str, np.ndarray]], **first: Any) -> dict[str, Any]:
    """The same by names such as Keras gives, with layers between that hold nothing."""
    result: dict[str, Any] = {"input_3": {}, **first}
    for number, (layer, tensors) in enumerate(layers.items(), 8):
        kind = "conv2d" if "kernel" in tensors else "batch_normalization"
        result[layer if layer == LAYERS[-1] else f"{kind}_{number}"] = tensors
        result[f"activation_{number}"] = {}
    return result


@pytest.fixture(scope="module")
def layers() -> dict[str, dict[str, np.ndarray]]:
    return drawn()


@pytest.fixture(scope="module")
def flat(layers) -> dict[str, np.ndarray]:
    return {f"{name}/{of}": array for name, all_ in layers.items() for of, array in all_.items()}


def assert_read(tensors: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(tensors) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(tensors[name], array)


@pytest.mark.parametrize("content", ["env", "music"])
def test_a_published_file_is_unpacked_and_read(
    content, layers, flat, tmp_path, monkeypatch
) -> None:
    mixed = {"env": layers, "music": {**layers, "bn4a": {**layers["bn1a"]}}}  # told apart
    for each, tensors in mixed.items():
        file = write_keras2(tmp_path / "made.h5", numbered(tensors))
        packed = tmp_path / f"openl3_audio_mel128_{each}-v0_4_0.h5.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
    monkeypatch.setenv(OWN, str(tmp_path))
    ours: Any = load("openl3_mel128", content=content)
    expected = flat | {f"bn4a/{of}": array for of, array in mixed[content]["bn4a"].items()}
    assert_read(ours.tensors, expected)


def test_no_file_names_where_it_comes_from(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(OWN, str(tmp_path))
    name = published_file("linear", "music").as_published
    monkeypatch.setattr("faunashot.download._WAITS_S", ())
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(WeightsError, match=rf"github\.com/marl/openl3/raw/models/{name}") as caught:
        load("openl3_linear", content="music")
    assert OWN in str(caught.value)


def test_a_spectrogram_that_older_files_hold_is_left_out(layers, flat, tmp_path) -> None:
    spectrogram = {"real_kernels": np.ones((4, 1, 1, 3), "f4")}
    older = numbered(layers, melspectrogram_1=spectrogram)
    file = write_keras2(tmp_path / "older.h5", older, whole_model=True)
    ours: Any = load("openl3_mel256", weights=str(file))
    assert_read(ours.tensors, flat)


@pytest.mark.slow
def test_a_network_is_built_with_them_and_each_layer_learns(layers, flat, tmp_path) -> None:
    file = write_keras2(tmp_path / "net.h5", numbered(layers))
    ours: Any = load("openl3_mel128", weights=str(file))
    network = ours.build(3, seed=1)
    arrays = network.arrays()
    assert_read({name: arrays[name] for name in flat}, flat)
    assert [len(part) for part in network.layers] == [16, 12, 12, 8, 4]
    import tensorflow as tf

    rng = np.random.default_rng(0)
    inputs = rng.uniform(-80, 0, (2, *ours.front_end.shape)).astype(np.float32)
    trained = [variable for variable in network.variables.values() if variable.trainable]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network.model(inputs, training=False)[:, 0])
    gradients = tape.gradient(loss, [variable.value for variable in trained])
    still = [v.path for v, g in zip(trained, gradients, strict=True) if not np.abs(g).max() > 0]
    assert still == []


@pytest.mark.parametrize("spoil", ["short", "wide", "swapped"])
def test_a_file_of_another_network_is_refused(spoil, layers, tmp_path) -> None:
    given = {n: dict(tensors) for n, tensors in layers.items()}
    if spoil == "short":
        del given["bn4a"]
    elif spoil == "wide":
        given["conv1b"]["bias"] = np.zeros(65, "f4")
    else:
        names = list(given)
        names[3:5] = names[4], names[3]
        given = {name: given[name] for name in names}
    file = write_keras2(tmp_path / "net.h5", numbered(given))
    with pytest.raises(WeightsError, match="the weights are of another network"):
        load("openl3_linear", weights=str(file)).build(2, seed=0)  # type: ignore[attr-defined]


def test_a_file_that_is_named_after_another_spectrogram_is_refused(flat, tmp_path) -> None:
    file = tmp_path / "openl3_audio_linear_env.safetensors"
    save_file(flat, file)
    with pytest.raises(WeightsError, match="is of openl3_linear by its name"):
        load("openl3_mel256", weights=str(file))
    load("openl3_linear", weights=str(file))


def test_content_is_one_of_two() -> None:
    with pytest.raises(ParameterError, match=r"backbones\.openl3_linear\.content"):
        load("openl3_linear", content="birds")


def test_our_names_are_kept(flat) -> None:
    assert in_order(flat) == flat


@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_levels_are_relative_to_the_loudest_point_of_a_window(kind) -> None:
    front_end = kind(hop_s=1.0)
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * kind.window_samples).astype(np.float32)
    noise[: kind.window_samples] *= 8
    db = front_end(noise)
    assert db.shape == (2, *kind.shape)
    np.testing.assert_array_equal(db.max(axis=(1, 2)), [0, 0])
    assert db.min() >= -80
    np.testing.assert_allclose(front_end(noise / 64), db, atol=1e-3)
    np.testing.assert_array_equal(front_end(np.zeros(10, np.float32)), np.zeros((1, *kind.shape)))


@pytest.mark.parametrize("kind", FRONT_ENDS)
def test_a_tone_lies_in_its_band_and_a_click_in_its_frame(kind) -> None:
    at = np.arange(kind.window_samples) / kind.sample_rate
    tone = np.sin(2 * np.pi * 6_000 * at).astype(np.float32)
    loudest = kind(hop_s=1.0)(tone)[0, 50].argmax()
    click = np.zeros(kind.window_samples, np.float32)
    click[24_000] = 1
    there = np.flatnonzero(kind(hop_s=1.0)(click)[0].max(axis=1) > -80)
    assert 0 <= there[0] * 242 - (24_000 - kind.n_fft) <= 242
    assert 0 <= 24_000 - there[-1] * 242 <= 242
    if kind is OpenL3Linear:
        assert loudest == 64  # of 93.75 Hz each
    else:
        from librosa import mel_frequencies

        centres = mel_frequencies(kind.shape[1] + 2, fmax=24_000)[1:-1]
        assert loudest == np.abs(centres - 6_000).argmin()
