"""PANNs against their authors' code: front end, embedding, logits."""

from __future__ import annotations

import numpy as np
import pytest
from fixtures import Reference, off, parity_folder

from faunashot.runtimes.litert import RUNTIME

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TOLERANCE = 2e-5
FRONT_END_DB = 1e-3

NETWORKS = {
    "cnn14": "panns_cnn14",
    "cnn14_16k": "panns_cnn14_16k",
    "resnet38": "panns_resnet38",
    "wavegram_logmel_cnn14": "panns_wavegram",
}


@pytest.fixture(autouse=True)
def _unconverted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converting a network takes longer than all else; its result is then held against this one."""
    monkeypatch.setenv(RUNTIME, "tensorflow")


@pytest.mark.parametrize("name", NETWORKS)
def test_it_gives_what_its_authors_code_gives(name: str, tmp_path) -> None:
    reference = Reference(parity_folder(), name)
    ours = reference.backbone(NETWORKS[name], tmp_path)
    inputs = reference.inputs(ours.front_end)
    spectrograms = ours.front_end.spectrograms(inputs)
    np.testing.assert_allclose(spectrograms, reference.arrays["logmel"], atol=FRONT_END_DB)
    embedding = ours.embed(inputs)
    assert off(embedding, reference.arrays["embedding"]) < TOLERANCE
    assert off(ours.logits(embedding), reference.arrays["logits"]) < TOLERANCE
