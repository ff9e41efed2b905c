"""AudioCLIP against its authors' code: its spectrogram, what it hears, what it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures import Reference, off, parity_folder

pytestmark = [pytest.mark.parity, pytest.mark.slow]

AUDIO = 2e-3
TEXT = 2e-5
MEDIAN_DB, MOST_DB = 2e-3, 0.05


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(parity_folder(), "audioclip")


@pytest.fixture(scope="module")
def ours(reference, tmp_path_factory) -> Any:
    return reference.backbone("audioclip", tmp_path_factory.mktemp("weights"))


def test_audio(ours, reference) -> None:
    from keras import Model

    network = ours._keras(("embedding",))[0]
    layers = [network.get_layer(name).output for name in ("spectrogram", "pooled", "embedding")]
    inputs = reference.inputs(ours.front_end)
    image, penultimate, embedding = map(np.asarray, Model(network.inputs, layers)([inputs]))
    (every,), theirs = reference.numbered("x_db_item0_every")
    errors = np.abs(image[0, :, ::every].transpose(2, 0, 1) - theirs)
    assert np.median(errors) < MEDIAN_DB
    assert np.quantile(errors, 0.999) < MOST_DB
    assert off(penultimate, reference.arrays["audio_penultimate"]) < AUDIO
    assert off(embedding, reference.arrays["audio_features"]) < AUDIO


def test_text(ours, reference) -> None:
    tokens = reference.arrays["tokens"]
    hidden = ours.text.hidden(tokens[0])
    assert off(hidden, reference.arrays["text_hidden_final_item0"][: len(hidden)]) < TEXT
    embedded = ours.embed_tokens(tokens)
    assert off(embedded, reference.arrays["text_features"]) < TEXT
    unit = embedded / np.linalg.norm(embedded, axis=1, keepdims=True)
    logits = ours.text_scale * reference.arrays["audio_features_unit"] @ unit.T
    assert off(logits, reference.arrays["logits_audio_text"]) < TEXT
