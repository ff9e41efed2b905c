"""Classes told by text: two towers with planted structure, and clips that correct the text."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.kinds import stored_class
from faunashot.estimators.text_prototypes import TextPrototypes, unit

DIM = 64


def towers(
    *,
    classes: int = 8,
    clips: int = 30,
    heard: float = 1.0,
    read: float = 1.0,
    uneven: bool = False,
    seed: int = 0,
) -> tuple[TextPrototypes, np.ndarray, np.ndarray]:
    """What two towers make of classes, with noise of their own, each in a cone of its own."""
    rng = np.random.default_rng(seed)
    meant = unit(rng.normal(size=(classes, DIM)))
    counts = np.full(classes, clips)
    if uneven:
        counts = np.maximum(2, rng.dirichlet(np.full(classes, 0.5)) * classes * clips).astype(int)
    truth = np.repeat(np.arange(classes), counts)
    text = meant + read * rng.normal(size=meant.shape) / np.sqrt(DIM)
    audio = meant[truth] + heard * rng.normal(size=(len(truth), DIM)) / np.sqrt(DIM)
    text, audio = (x + 3 * unit(rng.normal(size=(1, DIM))) for x in (text, audio))
    names = [f"class {n}" for n in range(classes)]
    return TextPrototypes(names, text, scale=30.0), audio, truth


def accuracy(model: TextPrototypes, audio: np.ndarray, truth: np.ndarray) -> float:
    return float((model.probabilities(audio).argmax(axis=1) == truth).mean())


@pytest.mark.parametrize("of", [{}, {"heard": 2.0}, {"read": 2.0}, {"uneven": True}])
def test_unlabelled_clips_make_what_was_planted_better_known(of: dict) -> None:
    gains = []
    for seed in range(5):
        model, audio, truth = towers(seed=seed, **of)
        before = accuracy(model, audio, truth)
        gains.append(accuracy(model.corrected(audio), audio, truth) - before)
    assert np.mean(gains) > 0.1
    assert min(gains) >= 0


@pytest.mark.parametrize("of", [{"heard": 6.0, "read": 6.0}, {"clips": 1}])
def test_where_there_is_nothing_to_find_it_is_no_worse_than_chance_makes_it(of: dict) -> None:
    changes = []
    for seed in range(20):
        model, audio, truth = towers(seed=seed, **of)
        before = accuracy(model, audio, truth)
        changes.append(accuracy(model.corrected(audio), audio, truth) - before)
    error = np.std(changes) / np.sqrt(len(changes))
    assert np.mean(changes) > -2 * error


def test_clips_that_were_not_seen_are_told_better_too() -> None:
    model, audio, truth = towers(heard=2.0, read=2.0, seed=3)
    seen = np.arange(len(audio)) % 2 == 0
    corrected = model.corrected(audio[seen])
    assert accuracy(corrected, audio[~seen], truth[~seen]) > accuracy(
        model, audio[~seen], truth[~seen]
    )


@pytest.mark.parametrize("corrected", [False, True])
def test_what_is_stored_gives_the_same(tmp_path, corrected: bool) -> None:
    model, audio, _ = towers()
    model = model.corrected(audio) if corrected else model
    model.save(tmp_path / "model")
    loaded = stored_class("text_prototypes").load(tmp_path / "model")
    np.testing.assert_allclose(loaded.probabilities(audio), model.probabilities(audio), atol=1e-12)
    np.testing.assert_allclose(model.probabilities(audio).sum(axis=1), 1)
    assert loaded.classes_ == model.classes_


@pytest.mark.parametrize("harm", ["text_prototypes.json", "text_prototypes.npz"])
def test_what_is_torn_is_one_line(tmp_path, harm: str) -> None:
    towers()[0].save(tmp_path)
    (tmp_path / harm).write_bytes((tmp_path / harm).read_bytes()[:10])
    with pytest.raises(StoreError) as caught:
        TextPrototypes.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_nothing_is_learned_from_labels() -> None:
    with pytest.raises(ParameterError, match="do not learn from labels"):
        towers()[0].fit(None)  # type: ignore[arg-type]
