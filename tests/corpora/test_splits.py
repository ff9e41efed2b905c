"""splits: nothing leaks, every clip is scored once, and a seed says which."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faunashot.corpora.splits import Splits, draw_support, refuse_leak
from faunashot.errors import SplitError

FIVE_FOLDS = "\n".join(f"c{n} {'owl' if n % 2 else 'cat'} {1 + n // 4} g{n}" for n in range(20))


def table(labels: list[int], groups: list[int], folds: list[str | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_id": [f"c{n:03}" for n in range(len(labels))],
            "label": [f"class{n}" for n in labels],
            "fold": pd.Series(folds, dtype=object),
            "group": [f"g{n}" for n in groups],
        }
    )


@st.composite
def corpora(draw, *, folds: bool) -> pd.DataFrame:
    """Clips of up to 4 classes in up to 25 groups; a group may have clips in several folds."""
    n = draw(st.integers(10, 60))
    of = st.lists(st.integers(0, 24), min_size=n, max_size=n)
    groups, labels = draw(of), [i % 4 for i in draw(of)]
    if not folds:
        assume(len(set(groups)) >= 5)
        return table(labels, groups, [None] * n)
    official = [str(1 + g % 5) for g in groups]
    for at in draw(st.lists(st.integers(0, n - 1), max_size=5)):
        official[at] = str(1 + at % 5)
    assume(len(set(official)) >= 3)
    return table(labels, groups, official)


def all_splits(clips: pd.DataFrame, seed: int) -> list:
    """Every split, or none where a corpus this small leaves nothing to learn from."""
    try:
        return list(Splits(clips, seed=seed))
    except SplitError as error:
        assume("nothing is left" not in str(error))
        raise


@settings(max_examples=25, deadline=None)
@given(corpora(folds=True) | corpora(folds=False), st.integers(0, 5))
def test_no_group_is_on_two_sides(clips, seed):
    group = clips.set_index("clip_id")["group"]
    for split in all_splits(clips, seed):
        parts = [set(group.loc[list(ids)]) for ids in (split.train, split.validation, split.test)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]


@settings(max_examples=25, deadline=None)
@given(corpora(folds=True) | corpora(folds=False), st.integers(0, 5))
def test_every_clip_is_tested_once(clips, seed):
    tested = [i for split in all_splits(clips, seed) for i in split.test]
    assert sorted(tested) == clips["clip_id"].tolist()


@settings(max_examples=15, deadline=None)
@given(corpora(folds=False), st.integers(0, 5), st.randoms())
def test_made_folds_are_those_of_the_seed_whatever_the_order_of_rows(clips, seed, random):
    order = list(range(len(clips)))
    random.shuffle(order)
    expected = {s.name: set(s.test) for s in all_splits(clips, seed)}
    assert {s.name: set(s.test) for s in all_splits(clips.iloc[order], seed)} == expected


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 6), st.integers(5, 8), st.integers(0, 5))
def test_every_class_is_on_both_sides_where_it_has_enough_recordings(n_classes, each, seed):
    labels = [n % n_classes for n in range(n_classes * each)]
    clips = table(labels, list(range(len(labels))), [None] * len(labels))
    label = clips.set_index("clip_id")["label"]
    for split in Splits(clips, seed=seed):
        assert set(label.loc[list(split.train)]) == set(label)
        assert set(label.loc[list(split.test)]) == set(label)


def test_another_seed_makes_other_folds(clips_of):
    clips = clips_of(FIVE_FOLDS).assign(fold=None)
    first, second = ([set(s.test) for s in Splits(clips, seed=n)] for n in (1, 2))
    assert first != second


def test_official_folds_are_rotated_three_one_one(clips_of):
    clips = clips_of(FIVE_FOLDS)
    fold = clips.set_index("clip_id")["fold"]
    for at, split in enumerate(Splits(clips, seed=0)):
        following = str((at + 1) % 5 + 1)
        assert split.name == str(at + 1)
        assert set(fold[list(split.test)]) == {split.name}
        assert set(fold[list(split.validation)]) == {following}
        assert set(fold[list(split.train)]) == set("12345") - {split.name, following}
        assert split.learnable == split.train + split.validation


def test_the_seed_does_not_move_official_folds(clips_of):
    clips = clips_of(FIVE_FOLDS)
    assert list(Splits(clips, seed=0)) == list(Splits(clips, seed=1))


def test_ten_folds_come_in_their_numbers_order(clips_of):
    clips = clips_of("\n".join(f"c{n} owl {n} g{n}" for n in range(10, 0, -1)))
    assert [s.name for s in Splits(clips, seed=0)] == [str(n) for n in range(1, 11)]


def test_split_number_wraps_around(clips_of):
    splits = Splits(clips_of(FIVE_FOLDS), seed=0)
    assert len(splits) == 5
    assert splits.split(7) == splits.split(2)


def test_published_parts_are_kept(clips_of):
    clips = clips_of("a owl train g1\nb owl train g2\nc owl validation g3\nd owl test g4")
    (split,) = Splits(clips, seed=0)
    assert (split.train, split.validation, split.test) == (("a", "b"), ("c",), ("d",))


def test_without_a_published_validation_part_a_fifth_of_the_training_part_is_held_back(clips_of):
    rows = [f"t{n} {'owl' if n % 2 else 'cat'} train g{n // 2}" for n in range(20)]
    clips = clips_of("\n".join([*rows, "x owl test h1"]))
    (split,) = Splits(clips, seed=0)
    assert split.test == ("x",)
    assert len(split.validation) == 4
    assert len(split.train) == 16


def test_a_group_that_crosses_folds_is_learned_nowhere_that_it_is_tested(clips_of):
    clips = clips_of(FIVE_FOLDS)
    clips.loc[clips["clip_id"].isin(["c0", "c19"]), "group"] = "twins"  # in folds 1 and 5
    by_name = {s.name: s for s in Splits(clips, seed=0)}
    assert "c0" in by_name["1"].test
    assert "c19" not in by_name["1"].learnable
    assert "c19" in by_name["5"].test
    assert "c0" not in by_name["5"].learnable
    assert {"c0", "c19"} <= set(by_name["3"].train)


def test_a_group_in_training_and_validation_is_kept_to_choose_on(clips_of):
    clips = clips_of(FIVE_FOLDS)
    clips.loc[clips["clip_id"].isin(["c4", "c19"]), "group"] = "twins"  # in folds 2 and 5
    split = Splits(clips, seed=0).split(0)
    assert "c4" in split.validation
    assert "c19" not in split.train


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("a owl 1 g1\nb owl 1 g2", "all clips are in fold '1': nothing to learn from"),
        ("a owl 1 g1\nb owl - g2", "some clips have a fold and others have none, such as b"),
        ("a owl train g1\nb owl 1 g2", "are neither numbers nor train and test"),
        ("a owl train g1\nb owl validation g2", "are neither numbers nor train and test"),
        ("a owl - g1\nb owl - g1", "fewer than two source recordings"),
        ("a owl - g1\nb cat - g2", "or clips of a class, make no folds"),
        ("a owl 1 g1\nb owl 2 g1\nc cat 3 g1", "fold 1: nothing is left to learn from"),
    ],
)
def test_a_corpus_that_cannot_be_split_says_why(clips_of, rows, reason):
    with pytest.raises(SplitError) as raised:
        list(Splits(clips_of(rows), seed=0))
    assert reason in str(raised.value)


def test_no_clips_cannot_be_split(clips_of):
    with pytest.raises(SplitError, match="fewer than two"):
        Splits(clips_of(""), seed=0)


def test_of_two_folds_the_validation_part_is_held_back_from_the_other(clips_of):
    clips = clips_of("\n".join(f"c{n} owl {1 + n % 2} g{n}" for n in range(20)))
    splits = list(Splits(clips, seed=0))
    assert [s.name for s in splits] == ["1", "2"]
    assert all((len(s.train), len(s.validation), len(s.test)) == (8, 2, 10) for s in splits)


def test_classes_of_fewer_clips_than_folds_make_fewer_folds_without_a_warning(clips_of, recwarn):
    clips = clips_of("\n".join(f"c{n} {'owl' if n < 3 else 'cat'} - g{n}" for n in range(5)))
    assert len(Splits(clips, seed=0)) == 3
    assert not recwarn.list


def test_a_leak_is_refused_and_named():
    group = pd.Series({"a": "g1", "b": "g2", "c": "g1"})
    refuse_leak(group, [["a", "c"], ["b"]])
    with pytest.raises(SplitError, match=r"leak: clips of g1 sit on both sides of a split \(c\)"):
        refuse_leak(group, [["a"], ["b", "c"]])


@settings(max_examples=25, deadline=None)
@given(corpora(folds=False), st.integers(0, 5))
def test_a_smaller_support_is_the_beginning_of_a_larger(clips, seed):
    large = draw_support(clips, 8, rng=np.random.default_rng(seed))
    for k in (1, 2, 5):
        small = draw_support(clips, k, rng=np.random.default_rng(seed))
        assert small == {label: ids[:k] for label, ids in large.items()}


@settings(max_examples=25, deadline=None)
@given(corpora(folds=False), st.integers(0, 5), st.integers(1, 10))
def test_a_support_holds_k_clips_a_class_from_as_many_recordings_as_there_are(clips, seed, k):
    group = clips.set_index("clip_id")["group"]
    of_label = clips.groupby("label")
    for label, ids in draw_support(clips, k, rng=np.random.default_rng(seed)).items():
        there = of_label.get_group(label)
        assert len(ids) == len(set(ids)) == min(k, len(there))
        assert set(ids) <= set(there["clip_id"])
        assert group[ids].nunique() == min(k, there["group"].nunique())


def test_a_support_is_that_of_its_seed_whatever_the_order_of_rows(clips_of):
    clips = clips_of(FIVE_FOLDS)
    first = draw_support(clips, 3, rng=np.random.default_rng(7))
    again = draw_support(clips.iloc[::-1], 3, rng=np.random.default_rng(7))
    other = draw_support(clips, 3, rng=np.random.default_rng(8))
    assert first == again != other
