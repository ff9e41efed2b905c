"""What holds for every registered backbone; a new one needs a fixture of its name in conftest."""

from __future__ import annotations

import re

import numpy as np
import pytest

from faunashot.audio.windows import split_windows
from faunashot.backbones import registry
from faunashot.backbones.base import Backbone, FloatArray
from faunashot.errors import ParameterError

NEEDS = {"yamnet": pytest.mark.shared}


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=NEEDS.get(n, ())) for n in registry.BACKBONES]
)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def windows(backbone: Backbone) -> FloatArray:
    """Noise, silence, full-scale square, nearly nothing, a click and loud noise."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.1, (6, backbone.window_samples))
    rows[1] = 0
    rows[2] = np.sign(np.sin(np.arange(backbone.window_samples) / 10 + 0.1))
    rows[3] *= 1e-4
    rows[4] *= np.arange(backbone.window_samples) == 1_000
    rows[5] = np.clip(10 * rows[5], -1, 1)
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def embeddings(backbone: Backbone, windows: FloatArray) -> FloatArray:
    return backbone.embed(windows)


def _assert_same(ours: FloatArray, expected: FloatArray) -> None:
    """Equal but for rounding, which other kernels for other batch sizes may do otherwise."""
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", registry.BACKBONES)
def test_facts_are_stated_before_weights_are_loaded(name: str) -> None:
    facts = registry.backbone_class(name)
    assert facts.name == name
    for fact in ("version", "licence", "citation", "source", "trained_on"):
        assert getattr(facts, fact).strip(), fact
    assert facts.__doc__
    assert facts.dim > 0
    assert 0 <= facts.window_samples / facts.sample_rate - facts.window_s < 0.1


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ParameterError, match="did you mean 'yamnet'"):
        registry.load("yamnett")


def test_what_is_loaded_is_known(backbone: Backbone) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", backbone.weights_hash)
    assert 0 < backbone.hop_s <= backbone.window_s
    assert (backbone.hop_s * backbone.sample_rate).is_integer()
    assert (backbone.vocabulary is None) == (backbone.classes is None)


def test_embeddings_have_the_announced_shape(backbone, windows, embeddings) -> None:
    assert embeddings.dtype == np.float32
    assert embeddings.shape == (len(windows), backbone.dim)


def test_any_level_gives_finite_and_different_embeddings(embeddings: FloatArray) -> None:
    assert np.isfinite(embeddings).all()
    assert len(np.unique(embeddings, axis=0)) == len(embeddings)


def test_the_same_windows_give_the_same_bytes(backbone, windows, embeddings) -> None:
    before = windows.copy()
    np.testing.assert_array_equal(backbone.embed(windows), embeddings)
    np.testing.assert_array_equal(windows, before)


def test_a_row_is_the_same_alone(backbone, windows, embeddings) -> None:
    alone = np.concatenate([backbone.embed(window[None]) for window in windows])
    _assert_same(alone, embeddings)


def test_a_row_is_the_same_in_another_order_and_batch(backbone, windows, embeddings) -> None:
    order = [3, 0, 5, 2, 1, 4, 0, 0, 3]
    _assert_same(backbone.embed(windows[order]), embeddings[order])


def test_a_view_embeds_as_a_copy(backbone, windows, embeddings) -> None:
    _assert_same(backbone.embed(windows[::2]), embeddings[::2])


def test_silence_after_a_clip_changes_none_of_its_windows(backbone: Backbone) -> None:
    length = round(2.3 * backbone.window_samples)
    clip = np.random.default_rng(1).normal(0, 0.1, length).astype(np.float32)

    def embedded(samples: FloatArray) -> FloatArray:
        hop = round(backbone.hop_s * backbone.sample_rate)
        return backbone.embed(split_windows(samples, backbone.window_samples, hop=hop))

    expected = embedded(clip)
    padded = embedded(np.append(clip, np.zeros(2 * backbone.window_samples, np.float32)))
    assert len(padded) > len(expected)
    _assert_same(padded[: len(expected)], expected)


def test_classes_are_scored_where_there_are_any(backbone, windows, embeddings) -> None:
    if backbone.classes is None:
        with pytest.raises(ParameterError, match="no classes of its own"):
            backbone.classify(embeddings)
        with pytest.raises(ParameterError, match="no classes of its own"):
            backbone.scores(windows)
        return
    scores = backbone.classify(embeddings)
    assert len(set(backbone.classes)) == len(backbone.classes)
    assert all(name.strip() for name in backbone.classes)
    assert (scores.dtype, scores.shape) == (np.float32, (len(windows), len(backbone.classes)))
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores.std(axis=0).max() > 0.01
    _assert_same(backbone.scores(windows), scores)
    _assert_same(backbone.classify(embeddings.astype(np.float64)), scores)
