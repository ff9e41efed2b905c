"""Whisper: what its front end marks, which files it reads, and a small encoder step by step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import convert_in_this_process, made_up_tensors
from safetensors.numpy import save_file
from scipy.special import erf, softmax

from faunashot.backbones._whisper.front_end import BANDS, FRAMES, WhisperLogMel, log_mel
from faunashot.backbones._whisper.model import Whisper, layer_widths
from faunashot.backbones._whisper.network import TABLE, Size, position_table
from faunashot.backbones.base import BACKBONES
from faunashot.errors import WeightsError
from faunashot.runtimes.keras_network import CLASSIFIER, settle_tensorflow
from faunashot.runtimes.litert import RUNTIME

RATE = WhisperLogMel.sample_rate
WINDOW = WhisperLogMel.window_samples

PARAMETERS = {
    "whisper_tiny": 7_632_384,
    "whisper_tiny_en": 7_632_384,
    "whisper_base": 19_822_592,
    "whisper_small": 87_002_112,
}
"""That are trained, as transformers counts them."""


class Small(Whisper):
    """Two blocks, so small that it runs in no time."""

    card = BACKBONES["whisper_tiny"].card
    published = BACKBONES["whisper_tiny"].published  # type: ignore[attr-defined]
    size = Size(width=8, blocks=2, heads=2)
    layers = layer_widths(size)


def noise(seconds: float, *, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, level, round(seconds * RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    """Of the small encoder, biases and normalisations not those of the start."""
    rng = np.random.default_rng(1)
    found = made_up_tensors(Small)
    for name, array in found.items():
        if array.ndim == 1:
            found[name] = (array + rng.normal(0, 0.3, array.shape)).astype(np.float32)
    return found | {TABLE: position_table(Small.size.width)}


@pytest.fixture
def small(tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setenv(RUNTIME, "tensorflow")
    return of_file(tensors, tmp_path)


def of_file(tensors: dict[str, np.ndarray], folder: Path) -> Small:
    file = folder / f"{len([*folder.iterdir()])}.safetensors"
    save_file(tensors, file)
    return Small(hop_s=30.0, weights=str(file))


@pytest.mark.parametrize(
    ("n_samples", "frames"),
    [
        *((0, [1]), (1, [1]), (160, [1]), (161, [2]), (5 * RATE, [500]), (WINDOW, [3000])),
        *((WINDOW + 1, [3000, 1]), (45 * RATE, [3000, 1500])),
    ],
)
def test_frames_that_begin_in_the_recording_are_marked(n_samples: int, frames: list[int]) -> None:
    marks = WhisperLogMel(hop_s=30.0)(noise(46)[:n_samples])[..., BANDS]
    expected = np.arange(FRAMES) < np.array(frames)[:, None]
    np.testing.assert_array_equal(marks, expected)


def test_overlapping_windows_are_marked_each_by_itself() -> None:
    marks = WhisperLogMel(hop_s=20.0)(noise(45))[..., BANDS]
    np.testing.assert_array_equal(marks.sum(axis=1), [3000, 2500])


@pytest.mark.parametrize("seconds", [0.001, 2.345, 29.99])
def test_frames_of_silence_after_the_end_are_not_computed_in_vain(seconds: float) -> None:
    samples = noise(seconds)
    window = np.pad(samples, (0, WINDOW - len(samples)))
    whole = log_mel(window, n_samples=WINDOW)
    np.testing.assert_allclose(log_mel(window, n_samples=len(samples)), whole, rtol=0, atol=1e-5)


def test_levels_lie_in_two_steps_below_the_loudest() -> None:
    samples = noise(2) * np.linspace(0, 1, 2 * RATE, dtype=np.float32) ** 8
    mel = WhisperLogMel(hop_s=30.0)(samples)[0, :, :BANDS]
    assert np.ptp(mel) == pytest.approx(2)
    silence = WhisperLogMel(hop_s=30.0)(np.zeros(RATE, np.float32))[0, :, :BANDS]
    np.testing.assert_allclose(silence, -1.5, rtol=0, atol=1e-6)


def test_positions_are_sines_and_then_cosines() -> None:
    table = position_table(384)
    assert (table.shape, table.dtype) == ((1500, 384), np.float32)
    rates = 10_000 ** -(np.arange(192) / 191)
    angles = np.arange(1500)[:, None] * rates
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(table, expected, rtol=0, atol=2e-4)


def test_the_encoder_is_what_the_paper_describes(small: Small, tensors) -> None:
    inputs = np.concatenate([small.front_end(noise(s, level=s / 30)) for s in (3.21, 30)])
    states = encoded({n: a.astype(np.float64) for n, a in tensors.items()}, inputs)
    for layer in Small.layers:
        expected = np.stack([states[layer][0, :161].mean(axis=0), states[layer][1].mean(axis=0)])
        found = small.embed(inputs, layer=layer)
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def encoded(tensors: dict[str, np.ndarray], inputs: np.ndarray) -> dict[str, np.ndarray]:
    """A pre-norm transformer on two convolutions, in NumPy."""

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ tensors[f"{name}.weight"].T + tensors.get(f"{name}.bias", 0)

    def conv(x: np.ndarray, name: str, *, stride: int) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
        taps = np.stack([padded[:, at : at + x.shape[1]] for at in range(3)], axis=-1)
        kernel = tensors[f"{name}.weight"]
        return np.einsum("ntis,ois->nto", taps[:, ::stride], kernel) + tensors[f"{name}.bias"]

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        scaled = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return scaled * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]

    def gelu(x: np.ndarray) -> np.ndarray:
        return x * (1 + erf(x / np.sqrt(2))) / 2

    x = gelu(conv(inputs[..., :BANDS].astype(np.float64), "encoder.conv1", stride=1))
    x = gelu(conv(x, "encoder.conv2", stride=2)) + tensors[TABLE]
    states = {}
    for number in range(Small.size.blocks):
        name = f"encoder.layers.{number}"
        read = norm(x, f"{name}.self_attn_layer_norm")
        query, key, value = (
            dense(read, f"{name}.self_attn.{part}_proj").reshape(len(x), 1500, 2, 4)
            for part in "qkv"
        )
        share = softmax(np.einsum("nqhd,nkhd->nhqk", query, key) / 2, axis=-1)
        mixed = np.einsum("nhqk,nkhd->nqhd", share, value).reshape(x.shape)
        x = x + dense(mixed, f"{name}.self_attn.out_proj")
        hidden = gelu(dense(norm(x, f"{name}.final_layer_norm"), f"{name}.fc1"))
        x = x + dense(hidden, f"{name}.fc2")
        states[f"layer_{number + 1}"] = x
    return states | {"embedding": norm(x, "encoder.layer_norm")}


def test_nothing_marked_is_all_marked(small: Small) -> None:
    inputs = small.front_end(noise(1))
    hidden, whole = inputs.copy(), inputs.copy()
    hidden[..., BANDS], whole[..., BANDS] = -0.3, 1
    np.testing.assert_allclose(small.embed(hidden), small.embed(whole), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "tensorflow"])
def test_a_layer_of_a_run_for_several_is_that_of_its_own_run(
    runtime: str, tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert_in_this_process(monkeypatch)
    monkeypatch.setenv(RUNTIME, runtime)
    monkeypatch.setenv("FAUNASHOT_CACHE", str(tmp_path / "cache"))
    small = of_file(tensors, tmp_path)
    inputs = small.front_end(noise(45))
    together = small.embed_layers(inputs, layers=["embedding", "layer_1"])
    np.testing.assert_array_equal(together[:, 8:], small.embed(inputs, layer="layer_1"))


def test_a_file_of_the_whole_model_gives_the_same(small: Small, tensors, tmp_path: Path) -> None:
    inputs = small.front_end(noise(2))
    expected = small.embed(inputs)
    given = {f"model.{name}": array for name, array in tensors.items() if name != TABLE}
    given["model.decoder.embed_tokens.weight"] = np.zeros((3, 8), np.float32)
    np.testing.assert_array_equal(of_file(given, tmp_path).embed(inputs), expected)


def test_positions_of_the_file_come_first(small: Small, tensors, tmp_path: Path) -> None:
    inputs = small.front_end(noise(2))
    moved = of_file(tensors | {TABLE: tensors[TABLE][::-1].copy()}, tmp_path)
    assert np.abs(moved.embed(inputs) - small.embed(inputs)).max() > 1e-3


def test_half_precision_is_read(small: Small, tensors, tmp_path: Path) -> None:
    inputs = small.front_end(noise(2))
    halved = of_file({n: a.astype(np.float16) for n, a in tensors.items()}, tmp_path)
    expected = small.embed(inputs)
    off = np.abs(halved.embed(inputs) - expected).max() / np.abs(expected).max()
    assert 0 < off < 0.01


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda given: given.pop("encoder.layers.1.fc1.weight"), r"lack encoder\.layers\.1\.fc1"),
        (lambda given: given.update({"encoder.layers.2.fc1.bias": np.zeros(8)}), r"have .*\.2\."),
        (lambda given: given.update({"encoder.layer_norm.bias": np.zeros(9)}), r"shape \(9,\), no"),
    ],
)
def test_a_file_of_another_size_is_refused(spoil, said: str, tensors, tmp_path: Path) -> None:
    given = dict(tensors)
    spoil(given)
    with pytest.raises(WeightsError, match=f"of another network: .*{said}") as caught:
        of_file(given, tmp_path).build(2, seed=0)
    assert "\n" not in str(caught.value)


def test_all_but_the_positions_is_trained(small: Small, tensors) -> None:
    network = small.build(3, seed=1)
    assert [len(part) for part in network.layers] == [5, 15, 17, 4]
    arrays = network.arrays()
    np.testing.assert_array_equal(arrays[TABLE], tensors[TABLE])
    import tensorflow as tf

    inputs = small.front_end(noise(2))
    trained = {n: v for n, v in network.variables.items() if v.trainable}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network.model(inputs, training=False)[:, 0])
    gradients = tape.gradient(loss, [variable.value for variable in trained.values()])
    assert all(np.abs(g).max() > 0 for g in gradients)
    fixed = [n for n in network.variables if n not in trained and not n.startswith(CLASSIFIER)]
    assert fixed == [TABLE]


def test_a_trained_one_is_kept_without_its_code() -> None:
    settle_tensorflow()
    from keras import Model
    from keras.models import model_from_json

    encoder = Small.encoder("mixed_float16")
    model = Model(encoder.inputs, encoder.outputs["embedding"])
    written = json.dumps(json.loads(model.to_json()))
    again = model_from_json(written.replace('"mixed_float16"', '"float32"'))
    again.set_weights(model.get_weights())
    inputs = WhisperLogMel(hop_s=30.0)(noise(2))
    found, expected = (np.asarray(each(inputs)) for each in (again, model))
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05 * np.abs(found).max())


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if "tiny" in n else pytest.mark.slow) for n in PARAMETERS],
)
def test_they_have_as_many_parameters_as_published(name: str) -> None:
    settle_tensorflow()
    kind: Any = BACKBONES[name]
    blocks = kind.encoder("float32").blocks
    trained = [v for block in blocks for v in block.values() if v.trainable]
    assert sum(int(np.prod(v.shape)) for v in trained) == PARAMETERS[name]
    assert len(kind.layers) == 1 + kind.size.blocks
    assert set(kind.layers.values()) == {kind.size.width}


@pytest.mark.shared
def test_positions_of_a_published_file_are_ours(shared: Path) -> None:
    file = shared / "weights" / "whisper-tiny.en-encoder.safetensors"
    if not file.is_file():
        pytest.skip(f"{file} is missing")
    made: Any = BACKBONES["whisper_tiny_en"](weights=str(file), hop_s=30.0)  # type: ignore[call-arg]
    np.testing.assert_allclose(made.tensors[TABLE], position_table(384), rtol=0, atol=6e-4)
