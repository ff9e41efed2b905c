"""Labelled clips beside text: two towers with planted structure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_text_prototypes import DIM, towers

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.examples import Examples
from faunashot.estimators.kinds import estimator_class, make_estimator
from faunashot.estimators.text_prototypes import TextPrototypes, unit
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


def fitted(k: int, *, seed: int = 0, **of):
    """An adapter on k clips a class; what it and the text alone get right of the others."""
    model, audio, truth = towers(seed=seed, **of)
    every, at = examples(model, audio, truth), of_k(truth, k)
    rest = np.setdiff1d(np.arange(len(truth)), at)
    context = TrainingContext(backbone=lambda: Tower(model))
    adapter = make_estimator("text_adapter", {"prompts": ["{}"]}).fit(
        every.select(at), context=context
    )
    right = adapter.predict_clips(every.select(rest)).argmax(axis=1) == truth[rest]
    by_text = model.probabilities(audio[rest]).argmax(axis=1) == truth[rest]
    return adapter, every.select(rest), right.mean(), by_text.mean()


@pytest.mark.parametrize("k", [1, 2, 5])
def test_labelled_clips_add_to_what_the_text_says(k) -> None:
    found = np.array([fitted(k, seed=seed, heard=2.0)[2:] for seed in range(5)])
    assert (found[:, 0] > found[:, 1]).all()
    assert np.mean(found[:, 0] - found[:, 1]) > 0.1


def test_the_text_adds_to_what_labelled_clips_say() -> None:
    gains = []
    for seed in range(5):
        adapter, rest, right, _ = fitted(1, seed=seed, heard=3.0, read=0.3)
        truth = rest.targets.argmax(axis=1)
        centred = unit(unit(rest.means()) - adapter.centre_)
        by_clips = adapter._density(centred, adapter.sharpness_).argmax(axis=1) == truth
        gains.append(right - by_clips.mean())
    assert min(gains) > 0


def test_clips_that_say_nothing_are_not_listened_to() -> None:
    adapter, *_ = fitted(5, heard=1e3, read=0.0)
    assert adapter.chosen()["weight"] <= 0.5


def test_what_is_stored_gives_the_same(tmp_path) -> None:
    adapter, rest, *_ = fitted(3)
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
    with pytest.raises(ParameterError, match=r"head text_adapter\.prompt'?.*prompts"):
        make_estimator("text_adapter", {"prompt": ["a"]})
