"""What holds for everything that yields features: every layer of a backbone, every front end."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embedding import embed_windows
from made_up import LIKE, is_declared, is_keras, is_run, made_up_file, tried_layers

from faunashot.audio.windows import split_windows
from faunashot.backbones.base import (
    BACKBONES,
    Backbone,
    FloatArray,
    HasClasses,
    Trainable,
    class_scores,
    load,
    own_classes,
)
from faunashot.errors import ParameterError
from faunashot.features.extractors import FRONT_END, Extractor, extractor, of_layer
from faunashot.frontends.base import FRONT_ENDS
from faunashot.runtimes.litert import RUNTIME

NEEDS: dict[str, Any] = {
    name: pytest.mark.slow for name in BACKBONES if is_keras(name) or is_declared(name)
}
NEEDS["yamnet"] = pytest.mark.shared

SOURCES = [
    *(
        pytest.param((name, layer), id=f"{name}.{layer}", marks=NEEDS.get(name, ()))
        for name in BACKBONES
        if name not in LIKE and is_run(name)
        for layer in [*tried_layers(name), FRONT_END]
    ),
    *(pytest.param((name, ""), id=name) for name in FRONT_ENDS),
]


@pytest.fixture(scope="module", params=SOURCES)
def source(request: pytest.FixtureRequest) -> Extractor:
    """A layer or a front end; a backbone needs its weights, or has made-up ones."""
    name, layer = request.param
    return extractor(name, layer=layer, options=options_of(name, request))


def options_of(name: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """What a backbone is made with: made-up weights, or its own, whose fixture skips without."""
    if name not in BACKBONES:
        return {}
    if is_declared(name):
        return {}
    if is_keras(name):
        return {"weights": str(request.getfixturevalue("made_up")(name))}
    request.getfixturevalue(name)
    return {}


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Makes files of weights; networks run in TensorFlow, as converting each takes minutes."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUNTIME, "tensorflow")
        yield cache(lambda name: made_up_file(name, folder))


TRIED = [pytest.param(n, marks=NEEDS.get(n, ())) for n in BACKBONES if n not in LIKE and is_run(n)]


@pytest.fixture(scope="module", params=TRIED)
def backbone(request: pytest.FixtureRequest) -> Backbone:
    return load(request.param, **options_of(request.param, request))


@pytest.fixture(scope="module")
def windows(source: Extractor) -> FloatArray:
    return signals(source)


def signals(source: Extractor) -> FloatArray:
    """Noise, silence, full-scale square, nearly nothing, a click and loud noise."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.1, (6, source.window_samples))
    rows[1] = 0
    rows[2] = np.sign(np.sin(np.arange(source.window_samples) / 10 + 0.1))
    rows[3] *= 1e-4
    rows[4] *= np.arange(source.window_samples) == 1_000
    rows[5] = np.clip(10 * rows[5], -1, 1)
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def embeddings(source: Extractor, windows: FloatArray) -> FloatArray:
    return embed_windows(source, windows)


def _assert_same(ours: FloatArray, expected: FloatArray) -> None:
    """Equal but for rounding, which other kernels for other batch sizes may do otherwise."""
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", BACKBONES)
def test_facts_are_stated_before_weights_are_loaded(name: str) -> None:
    kind = BACKBONES[name]
    assert kind.card.name == name
    for fact in ("version", "licence", "citation", "source", "trained_on"):
        assert getattr(kind.card, fact).strip(), fact
    assert kind.__doc__
    assert all(dim > 0 for dim in kind.layers.values())
    assert kind.front_end_class.sample_rate > 0
    assert 0 < kind.front_end_class.window_s <= kind.front_end_class.window_samples
    assert kind.Options.read({}, key=name).hop_s > 0


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_a_front_end_states_its_facts(name: str) -> None:
    kind = FRONT_ENDS[name]
    assert kind.name == name
    assert kind.citation.strip()
    assert kind.__doc__
    assert 0 <= kind.window_samples / kind.sample_rate - kind.window_s < 0.1


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ParameterError, match="did you mean 'yamnet'"):
        extractor("yamnett")
    with pytest.raises(ParameterError, match=r"unknown key 'frontends\.logmel_stats\.hops'"):
        extractor("logmel_stats", options={"hops": 1})


def test_an_unknown_layer_is_told_the_nearest(backbone: Backbone) -> None:
    with pytest.raises(ParameterError, match="layer: unknown value 'embeding'; did you mean"):
        of_layer(backbone, "embeding")


def test_nothing_is_loaded_before_it_is_needed(backbone: Backbone) -> None:
    if backbone.card.name in ("birdnet", "yamnet"):
        made: Any = load(backbone.card.name)
        assert made.weights_hash == backbone.weights_hash
        assert not made._parts._made
    elif is_declared(backbone.card.name):
        assert not load(backbone.card.name).loaded._made  # type: ignore[attr-defined]
    else:
        made = load(backbone.card.name, weights=str(backbone._file))  # type: ignore[attr-defined]
        assert not [once for once in made._networks.values() if once._made]


def test_the_front_end_is_of_the_class_that_is_announced(backbone: Backbone) -> None:
    assert type(backbone.front_end) is backbone.front_end_class


def test_what_is_loaded_is_known(source: Extractor) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", source.weights_hash)
    assert 0 < source.hop_s <= source.window_s
    assert (source.hop_s * source.sample_rate).is_integer()


def test_embeddings_have_the_announced_shape(source, windows, embeddings) -> None:
    assert embeddings.dtype == source.dtype
    assert embeddings.shape == (len(windows), source.dim)


def test_any_level_gives_finite_and_different_embeddings(embeddings: FloatArray) -> None:
    assert np.isfinite(embeddings).all()
    assert len(np.unique(embeddings, axis=0)) == len(embeddings)


def test_the_same_windows_give_the_same_bytes(source, windows, embeddings) -> None:
    before = windows.copy()
    np.testing.assert_array_equal(embed_windows(source, windows), embeddings)
    np.testing.assert_array_equal(windows, before)


def test_a_row_is_the_same_alone(source, windows, embeddings) -> None:
    alone = np.concatenate([embed_windows(source, window[None]) for window in windows])
    _assert_same(alone, embeddings)


def test_a_row_is_the_same_in_another_order_and_batch(source, windows, embeddings) -> None:
    order = [3, 0, 5, 2, 1, 4, 0, 0, 3]
    _assert_same(embed_windows(source, windows[order]), embeddings[order])


def test_a_view_embeds_as_a_copy(source, windows, embeddings) -> None:
    _assert_same(embed_windows(source, windows[::2]), embeddings[::2])


def test_silence_after_a_clip_changes_none_of_its_windows(source: Extractor) -> None:
    length = round(2.3 * source.window_samples)
    clip = np.random.default_rng(1).normal(0, 0.1, length).astype(np.float32)
    # no more than three a window: large networks take a fifth of a second for one
    hop = max(round(source.hop_s * source.sample_rate), source.window_samples // 3)

    def embedded(samples: FloatArray) -> FloatArray:
        return embed_windows(source, split_windows(samples, source.window_samples, hop=hop))

    expected = embedded(clip)
    padded = embedded(np.append(clip, np.zeros(2 * source.window_samples, np.float32)))
    assert len(padded) > len(expected)
    _assert_same(padded[: len(expected)], expected)


def test_classes_are_scored_where_there_are_any(backbone: Backbone) -> None:
    if not isinstance(backbone, HasClasses):
        with pytest.raises(ParameterError, match="no classes of its own"):
            own_classes(backbone)
        return
    source = of_layer(backbone, backbone.class_layer)
    embeddings = embed_windows(source, signals(source))
    scores = class_scores(backbone, embeddings)
    names = backbone.class_list.names
    assert len(set(names)) == len(names)
    assert all(name.strip() for name in names)
    assert (scores.dtype, scores.shape) == (np.float32, (6, len(names)))
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores.std(axis=0).max() > 0.01
    _assert_same(class_scores(backbone, embeddings.astype(np.float64)), scores)


def test_parts_of_the_contract_are_optional(tiny: object) -> None:
    with pytest.raises(ParameterError, match=r"no classes of its own; use .*birdnet"):
        own_classes(_Plain())
    assert not isinstance(_Plain(), Trainable)


class _Plain(Backbone):
    """A backbone without classes or trainable layers."""

    card = BACKBONES["birdnet"].card
    layers = {"embedding": 3}  # noqa: RUF012

    def embed(self, inputs: FloatArray, *, layer: str) -> FloatArray:
        return inputs
