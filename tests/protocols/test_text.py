"""zero_shot with text: a backbone that hears and reads, with planted structure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ears import Deaf

from faunashot.errors import ParameterError
from faunashot.estimators.kinds import packages_of
from faunashot.estimators.prompts import text_prototypes
from faunashot.protocols.zero_shot import ZeroShot
from faunashot.systems.catalogue import system

ANIMALS = {"cat": 20, "sea_dog": 20}


class Reader(Deaf):
    """It hears and reads cats on the first axis, dogs on the second."""

    text_scale = 10.0

    def embed_text(self, prompts: Any) -> np.ndarray:
        self.read = list(prompts)
        axes = [[p.count("cat") + p.count("mew"), p.count("dog")] for p in self.read]
        return np.pad(np.array(axes, np.float32), ((0, 0), (0, 6)), constant_values=0.5)


def run(of: Any, backbone: Any, **settings: Any) -> Any:
    chosen = ZeroShot.Options.read({"mode": "text", **settings}, key="protocols.zero_shot")
    protocol = ZeroShot()
    protocol.settings = chosen
    return protocol.run(replace(of, backbone=lambda: backbone))


@pytest.mark.parametrize("transduce", [False, True])
def test_clips_are_told_by_what_is_read_of_their_classes(task, clips, transduce) -> None:
    outcome = run(task(clips(ANIMALS)), Reader(), transduce=transduce)
    rows = outcome.held_out
    guess = rows[["p_cat", "p_sea_dog"]].idxmax(axis=1).str.removeprefix("p_")
    assert (guess == rows["label"]).mean() > 0.9
    assert outcome.headline_k == 0
    assert outcome.facts["transduced"] is transduce
    assert bool(outcome.notes) is transduce
    assert (outcome.estimator.correction is not None) is transduce


def test_the_system_of_published_text_is_what_answers(task, clips) -> None:
    published = system("audioclip-zero-shot")
    outcome = run(replace(task(clips(ANIMALS)), system=published), Reader())
    assert published.protocol == {"name": "zero_shot", "mode": outcome.facts["mode"]}
    assert published.estimator_class is type(outcome.estimator)
    assert packages_of(published.head) == ()


def test_names_are_read_in_sentences_and_own_words_in_their_place() -> None:
    reader = Reader()
    said = text_prototypes(
        reader, ["cat", "sea_dog"], prompts=["{}", "a {}"], words={"cat": ["mewing", "a mew"]}
    )
    assert reader.read == ["mewing", "a mewing", "a mew", "a a mew", "sea dog", "a sea dog"]
    assert said.shape == (2, 8)
    np.testing.assert_allclose(np.linalg.norm(said, axis=1), 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"prompts": ["a sound"]}, "'a sound' has no {} in it"),
        ({"words": {"cot": ["mew"]}}, "did you mean 'cat'"),
    ],
)
def test_wrong_words_are_one_line(task, clips, settings, said) -> None:
    with pytest.raises(ParameterError, match=said.replace("{}", r"\{\}")):
        run(task(clips(ANIMALS)), Reader(), **settings)


def test_a_backbone_that_does_not_read_is_refused(task, clips) -> None:
    with pytest.raises(ParameterError, match="deaf reads no text"):
        run(task(clips(ANIMALS)), Deaf())
