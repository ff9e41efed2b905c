"""OpenL3 against its authors' code: front end and both embeddings of the same ten windows a clip.

The published package puts half a second of zeros before a clip, which is done here by hand.
"""

from __future__ import annotations

import numpy as np
import pytest
from fixtures import Reference, off, parity_folder

from faunashot.runtimes.litert import RUNTIME

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TOLERANCE = 1e-4
MOST_DB, NEARLY_ALL_DB = 0.03, 1e-3
BEFORE = 24_000
HOP_S = 0.5
FEW = [0, 1, 5, 11]
"""Windows whose longer embedding is kept; the first three have their spectrograms, too."""


@pytest.fixture(autouse=True)
def _unconverted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converting a network takes longer than all else; its result is then held against this one."""
    monkeypatch.setenv(RUNTIME, "tensorflow")


@pytest.mark.parametrize("name", ["openl3_linear", "openl3_mel128", "openl3_mel256"])
def test_it_gives_what_its_authors_code_gives(name: str, tmp_path) -> None:
    reference = Reference(parity_folder(), name)
    ours, theirs = reference.backbone(name, tmp_path, hop_s=HOP_S), reference.arrays
    per_clip = [ours.front_end(np.pad(clip, (BEFORE, 0))) for clip in reference.clips]
    assert len(per_clip[0]) == theirs["window_count_per_clip"][0]
    inputs = np.concatenate(per_clip)
    images = inputs.transpose(0, 2, 1)[..., None]
    expected = theirs["spectrogram_windows_0_1_5"]
    error = np.abs(images[FEW[:3]].astype(np.float64) - expected)
    assert error.max() < MOST_DB
    assert np.quantile(error, 0.999) < NEARLY_ALL_DB
    mean = images[..., 0].mean(axis=2, dtype=np.float64)
    np.testing.assert_allclose(mean, theirs["spectrogram_mean_t"], rtol=0, atol=NEARLY_ALL_DB)
    assert off(_embedded(ours, inputs, 512), theirs["embedding_512"]) < TOLERANCE
    few = theirs["embedding_6144_windows_0_1_5_11"]
    assert off(_embedded(ours, inputs[FEW], 6144), few) < TOLERANCE


def _embedded(ours, inputs: np.ndarray, dim: int) -> np.ndarray:
    batches = [inputs[at : at + ours.batch_size] for at in range(0, len(inputs), ours.batch_size)]
    return np.concatenate([ours.embed(batch, layer=f"embedding_{dim}") for batch in batches])
