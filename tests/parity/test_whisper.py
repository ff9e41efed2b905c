"""Whisper's encoder against its authors' code: front end, each position, means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures import Reference, off, parity_folder

from faunashot.backbones._keras import KerasBackbone
from faunashot.backbones._whisper.front_end import BANDS
from faunashot.backbones._whisper.model import Whisper
from faunashot.runtimes.litert import RUNTIME

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TOLERANCE = 5e-5
FRONT_END = 1e-4
SAMPLES = 320
"""Of a position."""


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(parity_folder(), "whisper_tiny_encoder")


@pytest.fixture(scope="module")
def ours(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> KerasBackbone:
    return reference.backbone("whisper_tiny", tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def inputs(reference: Reference, ours: KerasBackbone) -> np.ndarray:
    return np.concatenate([ours.front_end(clip) for clip in reference.clips])


def test_spectrograms_are_those_of_its_authors_code(reference, inputs) -> None:
    (n,), theirs = reference.numbered("log_mel_first")
    theirs = theirs.transpose(0, 2, 1)
    np.testing.assert_allclose(inputs[:, :n, :BANDS], theirs, rtol=0, atol=FRONT_END)
    silence = reference.arrays["log_mel_padding_value"].reshape(-1, 1, 1)
    np.testing.assert_allclose(inputs[:, n:, :BANDS] - silence, 0, rtol=0, atol=FRONT_END)


def test_each_position_is_as_its_authors_code_gives_it(reference, ours, inputs) -> None:
    found = _positions(ours, inputs)
    for part, name in (("stem", "embed_input_item0_every"), ("layer_1", "layer1_out_item0_every")):
        (every,), theirs = reference.numbered(name)
        assert off(found[part][0, ::every], theirs) < TOLERANCE
    (first,), theirs = reference.numbered("encoder_first")
    assert off(found["embedding"][:, :first], theirs) < TOLERANCE
    (every,), theirs = reference.numbered("encoder_every")
    assert off(found["embedding"][:, ::every], theirs) < TOLERANCE


def test_the_embedding_is_the_mean_over_the_recording(
    reference, ours, inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNTIME, "tensorflow")
    embedding = ours.embed(inputs)
    (positions,), theirs = reference.numbered("encoder_mean_first")
    assert positions == -(-reference.clips.shape[1] // SAMPLES)
    assert off(embedding, theirs) < TOLERANCE
    inputs = inputs.copy()
    inputs[..., BANDS] = 1
    assert off(ours.embed(inputs), reference.arrays["encoder_mean_t"]) < TOLERANCE


def _positions(ours: Any, inputs: np.ndarray) -> dict[str, np.ndarray]:
    from faunashot.runtimes.keras_network import Network, settle_tensorflow

    settle_tensorflow()
    from keras import Model

    assert isinstance(ours, Whisper)
    encoder = ours.sequences("float32")
    variables = {name: v for block in encoder.blocks for name, v in block.items()}
    network = Network(Model(encoder.inputs, dict(encoder.outputs)), variables)
    network.assign(ours._wanted(variables))
    return {name: np.asarray(of) for name, of in network.model(inputs, training=False).items()}
