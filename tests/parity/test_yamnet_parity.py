"""YAMNet against its authors' code: front end, embedding, scores, of clips of any length."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from fixtures import Reference, off, parity_folder
from scipy.special import expit

from faunashot.backbones.yamnet.network import yamnet_network
from faunashot.frontends.mel_patches import FRAMES, MelPatches
from faunashot.runtimes.keras_network import CLASSIFIER, LayeredNetwork

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TOLERANCE = 2e-5
FRONT_END = 1e-3
HOP_S, HOP = 0.48, 48


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(parity_folder(), "yamnet")


@pytest.fixture(scope="module")
def network(reference: Reference) -> LayeredNetwork:
    made = yamnet_network(2)
    made.assign(reference.tensors(), but=CLASSIFIER)
    return made


def waveforms(reference: Reference) -> Iterator[tuple[str, np.ndarray]]:
    """Clips, and the beginnings of a longer one, by how names of their arrays begin."""
    for at, clip in enumerate(reference.clips):
        yield f"clip{at}", clip
    for name in reference.arrays:
        if name.startswith("len") and name.endswith("_embedding"):
            own = name.removesuffix("_embedding")
            yield own, reference.arrays["long_waveform"][: int(own.removeprefix("len"))]


def test_it_gives_what_its_authors_code_gives(reference: Reference, network) -> None:
    theirs, tensors = reference.arrays, reference.tensors()
    front_end = MelPatches(hop_s=HOP_S)
    tried = []
    for name, waveform in waveforms(reference):
        patches = front_end(waveform)
        if f"{name}_log_mel" in theirs:
            frames = np.concatenate([*(p[:HOP] for p in patches[:-1]), patches[-1]])
            np.testing.assert_allclose(frames, theirs[f"{name}_log_mel"], atol=FRONT_END)
        embedding = np.asarray(network.body(patches, training=False))
        assert off(embedding, theirs[f"{name}_embedding"]) < TOLERANCE
        logits = embedding @ tensors["logits/kernel"] + tensors["logits/bias"]
        assert off(expit(logits), theirs[f"{name}_scores"]) < TOLERANCE
        tried.append(name)
    assert len(tried) > len(reference.clips)


def test_clips_of_any_length_have_as_many_windows(reference: Reference) -> None:
    front_end = MelPatches(hop_s=HOP_S)
    for samples, patches, frames in reference.arrays["frame_counts"]:
        given = front_end(np.zeros(samples, np.float32))
        assert len(given) == patches
        assert (len(given) - 1) * HOP + FRAMES <= frames
