"""YAMNet in batches of windows is the published model, clip by clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from embedding import embed_windows

from faunashot.audio.decode import decode
from faunashot.audio.resample import resample
from faunashot.audio.windows import split_windows
from faunashot.backbones.base import class_scores
from faunashot.backbones.yamnet.model import HANDLE, YamNet
from faunashot.errors import WeightsError
from faunashot.features.extract import embed_recording
from faunashot.features.extractors import of_layer
from faunashot.frontends.mel_patches import WINDOW_SAMPLES

TOLERANCE = 1e-4
LENGTHS = [1, 300, 15_600, 15_601, 16_000, 23_281, 84_800]
CLIPS_OF_EACH_KIND = 3


@pytest.fixture(scope="module")
def published(yamnet: YamNet):
    """The model as TF Hub gives it."""
    import tensorflow_hub as hub

    return hub.load(hub.resolve(HANDLE))


def _assert_as_published(yamnet: YamNet, published, waveform: np.ndarray) -> None:
    ours = embed_windows(yamnet, split_windows(waveform, WINDOW_SAMPLES, hop=7_680))
    scores, embeddings, _ = (tensor.numpy() for tensor in published(waveform))
    assert ours.shape == embeddings.shape
    np.testing.assert_allclose(ours, embeddings, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(class_scores(yamnet, ours), scores, rtol=0, atol=TOLERANCE)


@pytest.mark.shared
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_clips_of_any_length_are_framed_as_published(n_samples, yamnet, published, shared) -> None:
    waveform = np.load(shared / "parity" / "yamnet.npz")["long_waveform"]
    assert len(waveform) == max(LENGTHS)
    _assert_as_published(yamnet, published, waveform[:n_samples])


@pytest.mark.shared
@pytest.mark.parametrize("row", [0, 1])
def test_test_signals_equal_the_published_model(row, yamnet, published, shared: Path) -> None:
    waveforms = np.load(shared / "parity" / "inputs.npz")["wav_16000"]
    _assert_as_published(yamnet, published, waveforms[row])


@pytest.mark.shared
@pytest.mark.parametrize("pattern", ["*-0.ogg", "*-1.ogg", "*.wav"], ids=["dog", "rooster", "wav"])
def test_recordings_equal_the_published_model(pattern, yamnet, published, shared: Path) -> None:
    files = sorted((shared / "data" / "esc50-mini" / "audio").glob(pattern))[:CLIPS_OF_EACH_KIND]
    assert len(files) == CLIPS_OF_EACH_KIND
    for file in files:
        audio = decode(file)
        waveform = resample(audio.mono(), audio.sample_rate, to_hz=16_000)
        _assert_as_published(yamnet, published, waveform)


@pytest.mark.shared
def test_a_dog_is_a_dog(yamnet: YamNet, shared: Path) -> None:
    files = sorted((shared / "data" / "esc50-mini" / "audio").glob("*-0.ogg"))[:8]
    dog = yamnet.class_list.names.index("Dog")
    heard = [
        class_scores(yamnet, embed_recording(file, of_layer(yamnet)).windows).max(axis=0)[dog] > 0.5
        for file in files
    ]
    assert np.mean(heard) > 0.5


@pytest.mark.shared
def test_what_is_not_yamnet_is_refused(tfhub: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(tmp_path))
    with pytest.raises(WeightsError, match="is not YAMNet as published"):
        YamNet(handle=str(tmp_path))
