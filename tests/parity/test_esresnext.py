"""ESResNeXt-fbsp against its authors' code: wavelets, spectrogram, network, all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures import Reference, off, parity_folder

from faunashot.runtimes.litert import RUNTIME

pytestmark = [pytest.mark.parity, pytest.mark.slow]

END_TO_END = 2e-3
NETWORK = 2e-5
MEDIAN_DB, MOST_DB = 2e-3, 0.05
WAVELETS = 1e-5
"""Their largest value is 0.03; in float32 they are up to 8e-6 off."""


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(parity_folder(), "esresnext_fbsp")


@pytest.fixture(scope="module")
def ours(reference, tmp_path_factory) -> Any:
    return reference.backbone("esresnext_fbsp", tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def model(ours) -> Any:
    return ours._keras(("embedding",))[0]


@pytest.fixture(scope="module")
def inputs(reference, ours) -> np.ndarray:
    return reference.inputs(ours.front_end)


def test_wavelets(model, reference) -> None:
    from faunashot.backbones._esresnext.layers import analysis_window

    rows = reference.arrays["fbsp_rows_index"]
    used = rows < 1023
    middle = reference.arrays["fbsp_rows"][used, 197 : 197 + 1654]
    theirs = middle * analysis_window()[:, None]
    real, imaginary = np.split(np.asarray(model.get_layer("wavelets").filters()), 2, axis=1)
    given = np.stack([real.T[rows[used]], imaginary.T[rows[used]]], axis=2)
    np.testing.assert_allclose(given, theirs, atol=WAVELETS)


def test_spectrogram(model, reference, inputs) -> None:
    from keras import Model

    image = np.asarray(Model(model.inputs, model.get_layer("spectrogram").output)([inputs]))
    errors = np.abs(image.transpose(0, 3, 1, 2) - reference.arrays["x_db"])
    assert np.median(errors) < MEDIAN_DB
    assert np.quantile(errors, 0.999) < MOST_DB


def test_network_from_their_spectrogram(model, reference) -> None:
    from keras import Model

    network = Model(model.get_layer("spectrogram").output, model.outputs[0])
    embedding = np.asarray(network(reference.arrays["x_db"].transpose(0, 2, 3, 1)))
    assert off(embedding, reference.arrays["embedding"]) < NETWORK


def test_end_to_end(ours, reference, inputs, monkeypatch) -> None:
    monkeypatch.setenv(RUNTIME, "tensorflow")  # LiteRT's is held against it when it is converted
    embedding = ours.embed(inputs)
    assert off(embedding, reference.arrays["embedding"]) < END_TO_END
    assert off(ours.logits(embedding), reference.arrays["logits"]) < END_TO_END
