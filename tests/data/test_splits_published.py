"""splits: the fixed parts of a study, and the shuffled folds that stand beside honest ones."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pytest

from faunashot.data.corpora.base import TEST, TRAIN, VALIDATION
from faunashot.data.splits import Splits
from faunashot.errors import SplitError

PARTS = {**dict.fromkeys("12345678", TRAIN), "9": VALIDATION, "10": TEST}
"""Folds 1 to 8 train, 9 validates, 10 is scored."""


def clips_in(folds: Iterable[str]) -> pd.DataFrame:
    """In each fold two classes of four clips, two of a recording."""
    rows = [
        (f"{label}-{fold}-{n}", label, fold, f"{label}-{fold}-{n // 2}", PARTS[fold])
        for fold in folds
        for label in ("cat", "owl")
        for n in range(4)
    ]
    return pd.DataFrame(rows, columns=["clip_id", "label", "fold", "group", "part"])


def folds_of(clips: pd.DataFrame, ids: Iterable[str]) -> set[str]:
    return set(clips.set_index("clip_id")["fold"][list(ids)])


def published(clips: pd.DataFrame) -> Splits:
    return Splits(clips, seed=0, folds="published")


@pytest.mark.parametrize("trained", ["12345678", "1", "26", "8"])
def test_parts_are_those_of_the_study_whichever_training_folds_there_are(trained):
    clips = clips_in([*trained, "9", "10"])
    splits = published(clips)
    (split,) = splits
    assert [folds_of(clips, ids) for ids in (split.train, split.validation, split.test)] == [
        {*trained},
        {"9"},
        {"10"},
    ]
    assert splits.notes == []


def test_what_validates_is_not_learned_from():
    (split,) = published(clips_in([*"12", "9", "10"]))
    assert split.learnable == split.train


def test_without_the_validation_fold_half_of_the_last_training_fold_validates_by_recordings():
    clips = clips_in([*"123", "10"])
    splits = published(clips)
    (split,) = splits
    group = clips.set_index("clip_id")["group"]
    assert folds_of(clips, split.validation) == {"3"}
    assert len(split.validation) == 4
    assert folds_of(clips, split.train) == {"1", "2", "3"}
    assert not set(group[[*split.train]]) & set(group[[*split.validation]])
    (note,) = splits.notes
    assert note.startswith("the published validation part has no clips: 4 of fold 3, not learned")


def test_of_one_training_fold_a_smaller_part_validates():
    clips = pd.concat([clips_in("1"), clips_in("1").assign(group="a-" + clips_in("1")["group"])])
    clips = clips.assign(clip_id=[f"c{n}" for n in range(len(clips))])
    (split,) = published(pd.concat([clips, clips_in(["10"])]))
    assert 0 < len(split.validation) <= 4 < len(split.train)


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        ([*"12", "9"], "the part that is scored has no clips"),
        (["9", "10"], "the part that is learned from has no clips"),
    ],
)
def test_a_part_without_clips_is_refused_in_one_line(folds, said):
    with pytest.raises(SplitError, match=said) as raised:
        published(clips_in(folds))
    assert str(raised.value).endswith("or set protocol.folds=official")


@pytest.mark.parametrize("part", [None, "no column"])
def test_a_corpus_without_a_study_is_refused_in_one_line(part):
    clips = clips_in([*"12", "10"])
    clips = clips.drop(columns="part") if part else clips.assign(part=None)
    with pytest.raises(SplitError, match=r"no study is known .*; set protocol\.folds=official$"):
        published(clips)


def test_a_recording_in_two_parts_is_scored_and_not_learned_from():
    clips = clips_in([*"12", "9", "10"])
    clips.loc[clips["clip_id"].isin(["cat-1-0", "cat-10-0", "owl-9-0"]), "group"] = "same"
    splits = published(clips)
    (split,) = splits
    assert {"cat-1-0", "owl-9-0"}.isdisjoint(split.train + split.validation)
    assert "cat-10-0" in split.test
    assert splits.notes == [
        "source recordings, or copies of one, in several folds: 1, such as cat-1-0 in train and "
        "owl-9-0 in validation and cat-10-0 in test; where one is scored, none of it is learned "
        "from"
    ]


def test_a_class_that_no_training_fold_has_is_refused():
    clips = clips_in([*"12", "9", "10"])
    clips.loc[clips["clip_id"].str.startswith("cat-10"), "label"] = "hen"
    with pytest.raises(SplitError, match="class hen is absent from the other folds"):
        published(clips).refuse_unlearnable()


@pytest.mark.parametrize("n_folds", [2, 3, 10])
def test_random_folds_are_as_many_as_the_official_and_none_is_called_like_one(n_folds):
    clips = clips_in([str(1 + n) for n in range(n_folds)])
    splits = Splits(clips, seed=0, folds="random")
    assert [split.name for split in splits] == [f"random-{1 + n}" for n in range(n_folds)]
    assert sorted(i for split in splits for i in split.test) == sorted(clips["clip_id"])
    assert splits.notes == []


def test_random_folds_beside_fixed_parts_score_every_clip():
    clips = clips_in([*"12", "9", "10"])
    splits = Splits(clips.assign(fold=clips["part"]), seed=0, folds="random")
    assert len(splits) == 5
    assert sum(len(split.test) for split in splits) == len(clips)
