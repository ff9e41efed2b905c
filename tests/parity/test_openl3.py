"""OpenL3 against its authors' code: front end and both embeddings of the same windows of each clip.

The published package puts half a second of zeros before a clip, which is done here by hand.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from fixtures import Reference, off, parity_folder

from faunashot.runtimes.litert import RUNTIME

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TOLERANCE = 1e-4
MOST_DB, NEARLY_ALL_DB = 0.03, 1e-3
BEFORE = 24_000


@pytest.fixture(autouse=True)
def _unconverted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converting a network takes longer than all else; its result is then held against this one."""
    monkeypatch.setenv(RUNTIME, "tensorflow")


@pytest.mark.parametrize("name", ["openl3_linear", "openl3_mel128", "openl3_mel256"])
def test_it_gives_what_its_authors_code_gives(name: str, tmp_path) -> None:
    reference = Reference(parity_folder(), name)
    hop = int(re.search(r"hop (\d+) here", reference.facts["frontend"]["windowing"])[1])
    hop_s = hop / reference.facts["sample_rate"]
    ours, theirs = reference.backbone(name, tmp_path, hop_s=hop_s), reference.arrays
    per_clip = [ours.front_end(np.pad(clip, (BEFORE, 0))) for clip in reference.clips]
    assert len(per_clip[0]) == theirs["window_count_per_clip"][0]
    inputs = np.concatenate(per_clip)
    images = inputs.transpose(0, 2, 1)[..., None]
    few, expected = reference.numbered("spectrogram_windows_")
    error = np.abs(images[few].astype(np.float64) - expected)
    assert error.max() < MOST_DB
    assert np.quantile(error, 0.999) < NEARLY_ALL_DB
    mean = images[..., 0].mean(axis=2, dtype=np.float64)
    np.testing.assert_allclose(mean, theirs["spectrogram_mean_t"], rtol=0, atol=NEARLY_ALL_DB)
    assert off(_embedded(ours, inputs, 512), theirs["embedding_512"]) < TOLERANCE
    few, expected = reference.numbered("embedding_6144_windows_")
    assert off(_embedded(ours, inputs[few], 6144), expected) < TOLERANCE


def _embedded(ours, inputs: np.ndarray, dim: int) -> np.ndarray:
    batches = [inputs[at : at + ours.batch_size] for at in range(0, len(inputs), ours.batch_size)]
    return np.concatenate([ours.embed(batch, layer=f"embedding_{dim}") for batch in batches])
