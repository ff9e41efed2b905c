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

    network = ours._keras("embedding")[0]
    penultimate, image = (network.get_layer(n).output for n in ("pooled", "spectrogram"))
    inputs = np.concatenate([ours.front_end(clip) for clip in reference.clips])
    outputs = Model(network.inputs[0], [network.outputs[0], penultimate, image])(inputs)
    embedding, penultimate, image = map(np.asarray, outputs)
    errors = np.abs(image[0, :, :, :].transpose(2, 0, 1)[:, :, ::8] - reference.arrays["x_db_item0_every8"])
    print(np.median(errors), np.quantile(errors, .999))
    assert np.median(errors) < MEDIAN_DB
    assert np.quantile(errors, 0.999) < MOST_DB
    print(off(embedding, reference.arrays["audio_features"]), off(penultimate, reference.arrays["audio_penultimate"]))
    assert off(embedding, reference.arrays["audio_features"]) < AUDIO
    assert off(penultimate, reference.arrays["audio_penultimate"]) < AUDIO


def test_text(ours, reference) -> None:
    tokens = reference.arrays["tokens"]
    hidden = ours.text.hidden(tokens[0])
    theirs = reference.arrays["text_hidden_final_item0"]
    print(off(hidden, theirs[:len(hidden)]), off(ours.embed_tokens(tokens), reference.arrays["text_features"]))
    assert off(hidden, theirs[: len(hidden)]) < TEXT
    assert off(ours.embed_tokens(tokens), reference.arrays["text_features"]) < TEXT
