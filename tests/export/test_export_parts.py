"""Front ends and heads in TensorFlow give what numpy and scikit-learn do."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.backbones._panns.front_end import PannsLogMel
from faunashot.errors import ParameterError
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.export.front_ends import front_end_graph
from faunashot.export.heads import head_graph
from faunashot.frontends.base import FRONT_ENDS, FrontEnd

TOLERANCE_DB = 1e-4
HEADS = ["logistic", "prototype", "prototype_rectified", "linear_svm", "mlp", "log_opinion_pool"]


def a_window(front_end: FrontEnd, *, heard: float = 1.0) -> np.ndarray:
    """Noise that swells, and silence after the first part of it."""
    n = front_end.window_samples
    samples = np.random.default_rng(0).normal(0, 0.1, n) * np.hanning(n)
    samples[round(heard * n) :] = 0
    return samples.astype(np.float32)


def in_tensorflow(front_end: FrontEnd, samples: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    return front_end_graph(front_end)(tf.constant(samples[None])).numpy()


@pytest.mark.parametrize("name", ["mel_patches", "panns_logmel"])
def test_spectrograms_are_those_of_numpy(name) -> None:
    if name == "panns_logmel":
        front_end: FrontEnd = PannsLogMel(hop_s=5.0)
    else:
        front_end = FRONT_ENDS[name](hop_s=0.48)
    samples = a_window(front_end)
    found, expected = in_tensorflow(front_end, samples), front_end(samples)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE_DB)


@pytest.mark.parametrize("heard", [1.0, 0.3, 0.01])
def test_frames_after_the_end_of_a_recording_are_told(heard) -> None:
    front_end = FRONT_ENDS["logmel_frames"](hop_s=16.0)
    samples = a_window(front_end, heard=heard)
    recording = np.trim_zeros(samples, "b")
    found, expected = in_tensorflow(front_end, samples), front_end(recording)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE_DB)


def test_waveforms_are_rounded_to_16_bits() -> None:
    front_end = FRONT_ENDS["waveform"](rate_hz=8_000, window_s=0.5)
    samples = a_window(front_end)
    np.testing.assert_array_equal(in_tensorflow(front_end, samples) * 32_768, front_end(samples))


def test_a_front_end_that_is_not_written_is_named() -> None:
    with pytest.raises(ParameterError, match=r"logmel_stats is not written for export; those are"):
        front_end_graph(FRONT_ENDS["logmel_stats"](hop_s=0.5))


def rows(names: list[str]) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(0)
    labels = [names[n % len(names)] for n in range(30)]
    X = np.maximum(rng.normal(size=(30, 12)), 0) + [
        [names.index(n) == k % 3 for k in range(12)] for n in labels
    ]
    return X, labels


def in_a_graph(head, X: np.ndarray) -> np.ndarray:
    import tensorflow as tf

    return head_graph(head)(tf.constant(X, tf.float32)).numpy()


@pytest.mark.parametrize("steps", [("power", "centre", "unit"), ("standardise",), ("whiten",)])
@pytest.mark.parametrize("names", [["a", "b", "c"], ["a", "b"]], ids=["three", "two"])
@pytest.mark.parametrize("name", HEADS)
def test_heads_give_their_probabilities(name, names, steps) -> None:
    X, labels = rows(names)
    head = make_head(name, {}, steps=steps).fit(Examples.of_rows(X, labels))
    np.testing.assert_allclose(in_a_graph(head, X), head.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("name", ["knn", "rbf_svm"])
def test_a_head_that_is_no_layers_is_refused_in_one_line(name) -> None:
    X, labels = rows(["a", "b"])
    head = make_head(name, {}, steps=()).fit(Examples.of_rows(X, labels))
    with pytest.raises(ParameterError, match=f"^a system with the head {name} cannot be exported"):
        head_graph(head)
