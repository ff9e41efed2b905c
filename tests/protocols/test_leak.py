"""What a leak would have been worth: nothing without copies, much with planted ones."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.protocols.support.leak import leakage_inflation
from faunashot.systems.catalogue import system


@pytest.fixture
def copied(clips, of_values, task):
    """Clips of noise, each of them there `copies` times in a group; labels follow the recording."""

    def make(copies: int, *, per_class: int = 24, apart: float = 0.0):
        found = clips({"cat": per_class, "dog": per_class, "hen": per_class})
        number = np.arange(len(found)) // copies
        found = found.assign(group=[f"g{n}" for n in number], fold=None)
        rng = np.random.default_rng(3)
        recordings = rng.normal(size=(number.max() + 1, 12))[number]
        recordings[:, 0] += apart * (found["label"] == "cat")
        recordings += 0.05 * rng.normal(size=recordings.shape)
        return task(of_values(found, recordings), system=system("logistic"))

    return make


def test_without_copies_there_is_nothing_to_leak(copied):
    assert leakage_inflation(copied(1)) is None


def test_planted_copies_are_worth_much(copied):
    found = leakage_inflation(copied(4))
    assert found["grouped"] < 0.5
    assert found["leaking"] > 0.9
    assert found["worth"] == pytest.approx(found["leaking"] - found["grouped"], abs=2e-4)
    assert 0.2 < found["worth_low"] < found["worth"] < found["worth_high"] <= 1


def test_where_the_classes_are_plain_a_leak_is_worth_nothing(clips, task):
    """Groups there are, but no head needs another clip of the group to know the class."""
    found = leakage_inflation(task(clips({"cat": 20, "dog": 20}), apart=20.0))
    assert found == {
        "grouped": 1.0,
        "leaking": 1.0,
        "worth": 0.0,
        "worth_low": 0.0,
        "worth_high": 0.0,
    }


def test_both_sides_score_every_clip_once_and_honest_folds_keep_groups(copied, learned):
    of_copies = copied(4)
    leakage_inflation(of_copies)
    clips = of_copies.target.clips
    group = clips.set_index("clip_id")["group"]
    every = set(clips["clip_id"])
    tested = [every - set(learn.labelled) for learn in learned]
    honest, leaking = tested[:5], tested[5:]
    for folds in (honest, leaking):
        assert sum(map(len, folds)) == len(every)
        assert set.union(*folds) == every
    assert not any(set(group[[*t]]) & set(group[[*(every - t)]]) for t in honest)
    assert all(set(group[[*t]]) & set(group[[*(every - t)]]) for t in leaking)


def test_it_is_that_of_its_seed(copied):
    assert leakage_inflation(copied(2)) == leakage_inflation(copied(2))


def test_clips_that_make_no_folds_say_nothing(clips, of_values, task):
    two = clips({"cat": 2, "dog": 2}).assign(group="one")
    assert leakage_inflation(task(of_values(two, np.eye(4)))) is None
