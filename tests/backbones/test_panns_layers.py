"""PANNs: what their front ends give, how large the networks are, and MobileNetV1 step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import convert_in_this_process, made_up_file
from safetensors.numpy import load_file, save_file

from faunashot.backbones._keras import CHECK, MODEL
from faunashot.backbones._panns.front_end import PannsLogMel, PannsLogMel16k, PannsWaveLogMel
from faunashot.backbones.base import BACKBONES, load
from faunashot.backbones.panns_mobilenet_v1 import BLOCKS
from faunashot.errors import WeightsError
from faunashot.files import CACHE
from faunashot.runtimes.keras_network import settle_tensorflow
from faunashot.runtimes.litert import RUNTIME

PUBLISHED = {
    "panns_cnn14": 80_753_615,
    "panns_resnet38": 73_783_247,
    "panns_wavegram": 81_065_487,
    "panns_mobilenet_v1": 4_796_303,
}
"""Parameters that are trained, as the paper has them."""


def clip(seconds: float = 7.3, *, rate: int = 32_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, round(seconds * rate)).astype(np.float32)


def test_a_row_is_a_window_and_its_spectrogram() -> None:
    samples = clip()
    front_end = PannsWaveLogMel(hop_s=5.0)
    rows = front_end(samples)
    assert rows.shape == (2, *front_end.shape)
    np.testing.assert_array_equal(rows[0, :160_000], samples[:160_000])
    assert not rows[1, len(samples) - 160_000 : 160_000].any()
    expected = PannsLogMel(hop_s=5.0)(samples)
    np.testing.assert_array_equal(front_end.spectrograms(rows), expected)


def test_front_ends_that_differ_are_told_apart() -> None:
    kinds = PannsLogMel, PannsLogMel16k, PannsWaveLogMel
    assert len({(kind.name, kind(hop_s=5.0).settings_hash) for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("kind", [PannsLogMel, PannsLogMel16k])
def test_a_tone_is_in_its_band(kind: Any) -> None:
    time = np.arange(kind.window_samples) / kind.sample_rate
    band = {}
    for hz in (1_000, 5_000):
        tone = np.sin(2 * np.pi * hz * time).astype(np.float32)
        band[hz] = int(kind(hop_s=5.0)(tone)[0, 100].argmax())
    edges = _mel_edges(kind)
    for hz, at in band.items():
        assert edges[at] < hz < edges[at + 2]


def _mel_edges(kind: Any) -> np.ndarray:
    from librosa import mel_frequencies

    return np.asarray(mel_frequencies(66, fmin=kind.fmin_hz, fmax=kind.fmax_hz))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=() if n == "panns_mobilenet_v1" else pytest.mark.slow)
        for n in PUBLISHED
    ],
)
def test_they_have_as_many_parameters_as_published(name: str) -> None:
    settle_tensorflow()
    kind: Any = BACKBONES[name]
    blocks = kind.encoder("float32").blocks
    trained = [v for block in blocks for v in block.values() if v.trainable]
    beside = sum(outputs * (dim + 1) for outputs, dim in kind.classifiers.values())
    assert sum(int(np.prod(v.shape)) for v in trained) + beside == PUBLISHED[name]


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of its tensors, with normalisations that are not those of the start."""
    file = made_up_file("panns_mobilenet_v1", tmp_path_factory.mktemp("weights"))
    rng = np.random.default_rng(1)
    tensors = load_file(file)
    for name, array in tensors.items():
        if name.endswith((".running_mean", ".bias")):
            tensors[name] = rng.normal(0, 0.1, array.shape).astype(np.float32)
        elif array.ndim == 1:
            tensors[name] = rng.uniform(0.5, 1.5, array.shape).astype(np.float32)
    tensors["bn0.running_mean"] -= 30
    tensors["bn0.running_var"] *= 80
    save_file(tensors, file)
    return file


def test_mobilenet_is_what_the_paper_describes(
    mobilenet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNTIME, "tensorflow")
    backbone: Any = load("panns_mobilenet_v1", weights=str(mobilenet))
    inputs = backbone.front_end(clip())
    expected = _mobilenet(load_file(mobilenet), inputs.astype(np.float64))
    embedding = backbone.embed(inputs)
    assert embedding.any(axis=1).all()
    assert np.abs(embedding - expected).max() < 2e-5 * expected.max()


def _mobilenet(tensors: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """MobileNetV1 on (N, time, mel), in NumPy."""
    x = _normed(x, tensors, "bn0")[..., None]
    x = _shifted_sum(x, tensors["features.0.0.weight"].transpose(2, 3, 1, 0))
    x = np.maximum(_normed(_halved(x), tensors, "features.0.2"), 0)
    for at, (_, divisor) in enumerate(BLOCKS, 1):
        name = f"features.{at}"
        x = _shifted_sum(x, tensors[f"{name}.0.weight"].transpose(2, 3, 1, 0))
        x = x if divisor == 1 else _halved(x)
        x = np.maximum(_normed(x, tensors, f"{name}.2"), 0)
        x = x @ tensors[f"{name}.4.weight"][:, :, 0, 0].T
        x = np.maximum(_normed(x, tensors, f"{name}.5"), 0)
    bands = x.mean(axis=2)
    pooled = bands.max(axis=1) + bands.mean(axis=1)
    return np.maximum(pooled @ tensors["fc1.weight"].T + tensors["fc1.bias"], 0)


def _shifted_sum(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A 3x3 correlation of each channel by itself; one channel is that of all filters."""
    height, width = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return sum(
        padded[:, row : row + height, column : column + width] * kernel[row, column, 0]
        for row in range(3)
        for column in range(3)
    )


def _halved(x: np.ndarray) -> np.ndarray:
    n, height, width, channels = x.shape
    even = x[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))


def _normed(x: np.ndarray, tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    of = {part: tensors[f"{name}.{part}"].astype(np.float64) for part in _NORM}
    scaled = (x - of["running_mean"]) / np.sqrt(of["running_var"] + 1e-5)
    return scaled * of["weight"] + of["bias"]


_NORM = ("weight", "bias", "running_mean", "running_var")


def test_fixed_tensors_and_counters_of_a_published_file_are_left_out(
    mobilenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNTIME, "tensorflow")
    beside = {
        "spectrogram_extractor.stft.conv_real.weight": np.zeros((513, 1, 1024), np.float32),
        "logmel_extractor.melW": np.zeros((513, 64), np.float32),
        "bn0.num_batches_tracked": np.array(600_000),
    }
    save_file(load_file(mobilenet) | beside, tmp_path / "published.safetensors")
    backbone: Any = load("panns_mobilenet_v1", weights=str(tmp_path / "published.safetensors"))
    inputs = backbone.front_end(clip(5.0))
    expected = load("panns_mobilenet_v1", weights=str(mobilenet)).embed(inputs)
    np.testing.assert_array_equal(backbone.embed(inputs), expected)


def test_a_file_of_another_variant_lists_what_differs(mobilenet: Path, tmp_path: Path) -> None:
    tensors = load_file(mobilenet)
    tensors["features.14.0.weight"] = tensors.pop("features.13.0.weight")
    save_file(tensors, tmp_path / "other.safetensors")
    other: Any = load("panns_mobilenet_v1", weights=str(tmp_path / "other.safetensors"))
    with pytest.raises(WeightsError, match=r"lack features\.13\.0\.weight, and they have feat.*14"):
        other.build(2, seed=0)
    tensors["features.13.0.weight"] = tensors.pop("features.14.0.weight")[:, :, :, :2]
    save_file(tensors, tmp_path / "narrow.safetensors")
    narrow: Any = load("panns_mobilenet_v1", weights=str(tmp_path / "narrow.safetensors"))
    with pytest.raises(
        WeightsError, match=r"features\.13\.0\.weight has shape .* not \(3, 3, 1024"
    ):
        narrow.build(2, seed=0)


def test_a_file_of_another_sample_rate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "Cnn14_16k.safetensors"  # whose other tensors are as those at 32 kHz
    save_file({"logmel_extractor.melW": np.zeros((257, 64), np.float32)}, file)
    made: Any = load("panns_cnn14", weights=str(file))
    with pytest.raises(WeightsError, match=r"melW has shape \(257, 64\), not \(513, 64\)") as at:
        _ = made.tensors
    assert str(at.value).startswith(f"panns_cnn14: {file}: the weights are of another network: ")
    assert load("panns_cnn14_16k", weights=str(file)).tensors  # type: ignore[attr-defined]


def test_what_is_trained_further_starts_as_what_embeds(
    mobilenet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNTIME, "tensorflow")
    backbone: Any = load("panns_mobilenet_v1", weights=str(mobilenet))
    inputs = backbone.front_end(clip(5.0))
    network = backbone.build(3, seed=0)
    assert len(network.layers) == len(BLOCKS) + 4  # normalisation, first, dense and classifier
    expected = backbone.embed(inputs)
    embedding = np.asarray(network.body(inputs, training=False))
    assert np.abs(embedding - expected).max() < 1e-5 * expected.max()
    assert network.model(inputs).shape == (1, 3)


@pytest.mark.slow
def test_converted_for_litert_it_gives_the_same(
    mobilenet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert_in_this_process(monkeypatch)
    monkeypatch.setenv(CACHE, str(tmp_path))
    found = {}
    for runtime in ("tensorflow", "litert"):
        monkeypatch.setenv(RUNTIME, runtime)
        backbone: Any = load("panns_mobilenet_v1", weights=str(mobilenet))
        found[runtime] = backbone.embed(backbone.front_end(clip()))
    expected = found["tensorflow"]
    assert np.abs(found["litert"] - expected).max() < 2e-5 * expected.max()
    windows = backbone.front_end(np.resize(clip(), 8 * backbone.front_end.window_samples))
    alone = np.concatenate([backbone.embed(window[None]) for window in windows])
    for size in (2, 3, 5, 8):  # to the last bit
        np.testing.assert_array_equal(backbone.embed(windows[-size:]), alone[-size:])
    [folder] = (tmp_path / "litert").iterdir()
    assert {file.name for file in folder.iterdir()} == {MODEL, CHECK}


@pytest.mark.slow
def test_a_fine_tuned_wavegram_is_kept_without_its_code() -> None:
    settle_tensorflow()
    from keras import Model
    from keras.models import model_from_json

    kind: Any = BACKBONES["panns_wavegram"]
    encoder = kind.encoder("mixed_float16")
    model = Model(encoder.inputs, encoder.outputs["embedding"])
    written = json.dumps(json.loads(model.to_json()))
    again = model_from_json(written.replace('"mixed_float16"', '"float32"'))
    assert [v.shape for v in again.variables] == [v.shape for v in model.variables]
    assert again.output_shape == (None, 2048)
