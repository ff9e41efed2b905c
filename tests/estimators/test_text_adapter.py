"""Labelled clips beside text: two towers with planted structure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.kernel_ridge import KernelRidge
from test_text_prototypes import DIM, towers

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.examples import Examples
from faunashot.estimators.kinds import estimator_class, make_estimator
from faunashot.estimators.text_prototypes import TextPrototypes, unit
from faunashot.estimators.text_recipes import RECIPES, Asked, Labelled, muka, treff
from faunashot.features.store import Features, FeatureSpec


class Tower:
    """A backbone that reads what `towers` planted."""

    text_scale = 30.0

    def __init__(self, model: TextPrototypes) -> None:
        self.model = model

    def embed_text(self, prompts):
        return np.stack([self.model.prototypes[self.model.classes_.index(p)] for p in prompts])


def examples(model: TextPrototypes, audio: np.ndarray, truth: np.ndarray) -> Examples:
    n = len(audio)
    ids = [f"c{at}" for at in range(n)]
    index = pd.DataFrame({"clip_id": ids, "start_s": 0.0, "end_s": 1.0})
    return Examples(
        clip_ids=tuple(ids),
        labels=np.array([model.classes_[at] for at in truth]),
        groups=np.array(ids),
        classes=tuple(model.classes_),
        multi_label=False,
        features=Features(audio.astype(np.float32), index, FeatureSpec("x", "", "", 1, 1, 1, DIM)),
        rows=np.arange(n),
        counts=np.ones(n, int),
    )


def of_k(truth: np.ndarray, k: int) -> np.ndarray:
    return np.concatenate([np.flatnonzero(truth == at)[:k] for at in range(truth.max() + 1)])


def fitted(k: int, *, seed: int = 0, recipe: str = "mixture", **of):
    """An adapter on k clips a class; what it and the text alone get right of the others."""
    model, audio, truth = towers(seed=seed, **of)
    every, at = examples(model, audio, truth), of_k(truth, k)
    rest = np.setdiff1d(np.arange(len(truth)), at)
    context = TrainingContext(backbone=lambda: Tower(model))
    adapter = make_estimator("text_adapter", {"prompts": ["{}"], "recipe": recipe}).fit(
        every.select(at), context=context
    )
    right = adapter.predict_clips(every.select(rest)).argmax(axis=1) == truth[rest]
    by_text = model.probabilities(audio[rest]).argmax(axis=1) == truth[rest]
    return adapter, every.select(rest), right.mean(), by_text.mean()


def silent(adapter, rest: Examples) -> float:
    """What an adapter gets right where nothing is said of any class."""
    of, asked = adapter._labelled(), adapter._asked(adapter._unit(rest.means()))
    of, asked = (each._replace(text=np.zeros_like(each.text)) for each in (of, asked))
    recipe = RECIPES[adapter.options.recipe]
    logits = recipe.logits(of, asked, **recipe.chosen(of))
    return float((logits.argmax(axis=1) == rest.targets.argmax(axis=1)).mean())


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("of", [{"heard": 2.0}, {"heard": 3.0, "read": 0.3}, {"heard": 6.0}])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_both_together_are_no_worse_than_either_but_for_chance(recipe, of, k) -> None:
    found = []
    for seed in range(8):
        adapter, rest, right, by_text = fitted(k, seed=seed, recipe=recipe, clips=20, **of)
        found.append((right - by_text, right - silent(adapter, rest)))
    gains = np.array(found)
    error = gains.std(axis=0, ddof=1) / np.sqrt(len(gains))
    assert (gains.mean(axis=0) >= -2 * error).all()


@pytest.mark.parametrize(("recipe", "k", "gain"), [("mixture", 1, 0.05), ("mixture", 5, 0.2)])
def test_labelled_clips_add_to_what_the_text_says(recipe, k, gain) -> None:
    found = np.array([fitted(k, seed=seed, recipe=recipe, heard=2.0)[2:] for seed in range(5)])
    assert (found[:, 0] > found[:, 1]).all()
    assert np.mean(found[:, 0] - found[:, 1]) > gain


@pytest.mark.parametrize("recipe", RECIPES)
def test_clips_that_say_nothing_are_not_listened_to(recipe) -> None:
    gaps = [np.subtract(*fitted(5, recipe=recipe, seed=s, heard=1e3, read=0.0)[2:]) for s in (0, 1)]
    assert np.mean(gaps) > -0.05


def labelled(n: int = 4) -> tuple[Labelled, Asked]:
    rng = np.random.default_rng(1)
    support, asked, text = (unit(rng.normal(size=(m, 5))) for m in (2 * n, 3, 2))
    targets = np.repeat(np.eye(2), n, axis=0)
    distances = 1 - support @ support.T
    of = Labelled(support @ text.T, distances, distances, targets, 10.0)
    return of, Asked(asked @ text.T, 1 - asked @ support.T, 1 - asked @ support.T)


def test_treff_is_the_cache_of_its_paper() -> None:
    of, asked = labelled()
    logits = treff(of, asked, alpha=1.0, beta=5.5)
    for clip in range(3):
        for at in range(2):
            alike = [np.exp(-5.5 * asked.distances[clip, m]) for m in range(4 * at, 4 * at + 4)]
            assert logits[clip, at] == pytest.approx(10 * asked.text[clip, at] + sum(alike))


def test_muka_is_ridge_regression_of_what_the_text_lacks() -> None:
    of, asked = labelled()
    width = of.distances[~np.eye(8, dtype=bool)].mean()
    ridge = KernelRidge(alpha=0.3, kernel="precomputed")
    ridge.fit(np.exp(-of.distances / width), of.targets - of.text)
    expected = asked.text + ridge.predict(np.exp(-asked.distances / width))
    logits = muka(of, asked, width=1.0, ridge=0.3, temperature=1.0)
    np.testing.assert_allclose(logits, expected, atol=1e-10)


@pytest.mark.parametrize("name", RECIPES)
def test_a_clip_that_is_left_out_is_told_by_the_others(name) -> None:
    of, _ = labelled()
    recipe = RECIPES[name]
    settings = dict(recipe.plain)
    together = recipe.logits(of, None, **settings)
    others = np.arange(1, 8)
    pairs = np.ix_(others, others)
    without = Labelled(
        of.text[others], of.distances[pairs], of.centred[pairs], of.targets[others], of.scale
    )
    if name == "muka":  # whose width is in mean distances
        mean = of.distances.sum() / 56, without.distances.sum() / 42
        settings["width"] *= mean[0] / mean[1]
    first = Asked(of.text[:1], of.distances[:1, 1:], of.centred[:1, 1:])
    alone = recipe.logits(without, first, **settings)
    np.testing.assert_allclose(together[0], alone[0], atol=1e-9)


def test_joined_backbones_count_by_the_product_of_their_kernels() -> None:
    """The second one tells what the first does not hear."""
    model, audio, truth = towers(heard=6.0)
    second = unit(np.random.default_rng(9).normal(size=(8, 16)))[truth]
    every = examples(model, audio, truth)
    spec = replace(every.features.spec, dim=DIM + 16, blocks=(DIM, 16))
    both = np.hstack([audio, second * 50]).astype(np.float32)
    every = replace(every, features=replace(every.features, windows=both, spec=spec))
    at = of_k(truth, 3)
    rest = np.setdiff1d(np.arange(len(truth)), at)
    context = TrainingContext(backbone=lambda: Tower(model))
    for recipe in RECIPES:
        adapter = make_estimator("text_adapter", {"prompts": ["{}"], "recipe": recipe})
        adapter.fit(every.select(at), context=context)
        right = adapter.predict_clips(every.select(rest)).argmax(axis=1) == truth[rest]
        assert right.mean() > 0.95, recipe


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_is_stored_gives_the_same(tmp_path, recipe) -> None:
    adapter, rest, *_ = fitted(3, recipe=recipe)
    adapter.save(tmp_path / "model")
    loaded = estimator_class("text_adapter").load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_clips(rest), adapter.predict_clips(rest))
    assert loaded.chosen() == adapter.chosen()
    (tmp_path / "model/text_adapter.npz").write_bytes(b"PK")
    with pytest.raises(StoreError, match="no text adapter"):
        estimator_class("text_adapter").load(tmp_path / "model")


def test_what_it_cannot_do_is_one_line() -> None:
    model, audio, truth = towers()
    every = examples(model, audio, truth)
    with pytest.raises(ParameterError, match="a backbone that reads text"):
        make_estimator("text_adapter", {}).fit(every)
    context = TrainingContext(backbone=lambda: Tower(model))
    with pytest.raises(ParameterError, match="at least two classes"):
        make_estimator("text_adapter", {}).fit(every.select(range(3)), context=context)
    narrow = examples(model, audio, truth)
    spec = replace(narrow.features.spec, blocks=(8, DIM - 8))
    narrow = replace(narrow, features=replace(narrow.features, spec=spec))
    with pytest.raises(ParameterError, match=f"the features have 8 numbers, .* {DIM}: use its"):
        make_estimator("text_adapter", {"prompts": ["{}"]}).fit(narrow, context=context)
    with pytest.raises(ParameterError, match="recipe"):
        make_estimator("text_adapter", {"recipe": "tip"})
    with pytest.raises(ParameterError, match=r"head text_adapter\.prompt'?.*prompts"):
        make_estimator("text_adapter", {"prompt": ["a"]})
