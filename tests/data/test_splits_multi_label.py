"""splits of clips that carry several classes, or none: as those of one class, and by class name."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faunashot.data.draws import draw_support
from faunashot.data.labels import clips_a_class, names_by_clip
from faunashot.data.splits import Split, Splits, grouped_folds, held_back
from faunashot.errors import SplitError
from faunashot.targets import join_names

CLASSES = ("cat", "frog", "owl", "wren")


def table(labels: list[str], groups: list[int], *, multi_label: bool = True) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip_id": [f"c{n:03}" for n in range(len(labels))],
            "label": pd.Series(labels, dtype="str"),
            "fold": pd.Series([None] * len(labels), dtype=object),
            "group": [f"g{n}" for n in groups],
            "multi_label": multi_label,
        }
    )


@st.composite
def corpora(draw, *, most: int = 4) -> pd.DataFrame:
    """Clips of up to `most` classes each, or of none, in up to 25 groups."""
    n = draw(st.integers(10, 60))
    label = st.sets(st.sampled_from(CLASSES), max_size=most).map(join_names)
    labels = draw(st.lists(label, min_size=n, max_size=n))
    groups = draw(st.lists(st.integers(0, 24), min_size=n, max_size=n))
    assume(len(set(labels)) > 1)
    assume(len(set(groups)) >= 5)
    return table(labels, groups)


def all_splits(clips: pd.DataFrame, seed: int) -> list[Split]:
    """Every split, or none where a corpus this small leaves nothing to learn from."""
    try:
        return list(Splits(clips, seed=seed))
    except SplitError as error:
        assume("nothing is left" not in str(error) and "make no folds" not in str(error))
        raise


@settings(max_examples=40, deadline=None)
@given(corpora(), st.integers(0, 5))
def test_no_group_is_on_two_sides_and_every_clip_is_tested_once(clips, seed):
    group = clips.set_index("clip_id")["group"]
    splits = all_splits(clips, seed)
    for split in splits:
        parts = [set(group[list(ids)]) for ids in (split.train, split.validation, split.test)]
        assert len(set().union(*parts)) == sum(len(part) for part in parts)
    assert sorted(i for s in splits for i in s.test) == clips["clip_id"].tolist()


@settings(max_examples=40, deadline=None)
@given(corpora(most=1), st.integers(0, 5), st.integers(1, 8))
def test_of_one_class_each_everything_is_as_without_multi_label(clips, seed, k):
    clips = clips[clips["label"] != ""].reset_index(drop=True)
    assume(clips["label"].nunique() > 1)
    assume(clips["group"].nunique() > 1)
    single = clips.assign(multi_label=False)
    assert all_splits(clips, seed) == all_splits(single, seed)
    assert held_back(clips, seed=seed) == held_back(single, seed=seed)
    drawn = [draw_support(of, k, rng=np.random.default_rng(seed)) for of in (clips, single)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("seed", range(6))
def test_the_rarest_classes_are_dealt_to_every_fold_whatever_else_is_in_their_clips(seed):
    rows = [("owl", 60), ("", 20), ("frog;owl", 10), ("cat;frog;owl", 5), ("owl;wren", 5)]
    labels = [label for label, n in rows for _ in range(n)]
    clips = table(labels, list(range(100)))
    fold = grouped_folds(clips.set_index("clip_id"), seed=seed)
    names = names_by_clip(clips.set_index("clip_id"))
    for name, least, most in (("cat", 1, 1), ("wren", 1, 1), ("frog", 3, 3), ("owl", 15, 17)):
        counts = Counter(fold[names.index[names == name]])
        assert len(counts) == 5
        assert least <= min(counts.values()) <= max(counts.values()) <= most


def test_combinations_that_are_all_different_make_folds_by_the_classes_they_share():
    labels = [join_names(["owl", f"kind{n}"]) for n in range(10)]
    fold = grouped_folds(table(labels, list(range(10))).set_index("clip_id"), seed=0)
    assert Counter(fold) == dict.fromkeys("12345", 2)


@settings(max_examples=25, deadline=None)
@given(corpora(), st.integers(0, 5), st.randoms())
def test_folds_and_draws_are_those_of_the_seed_whatever_the_order_of_rows(clips, seed, random):
    order = list(range(len(clips)))
    random.shuffle(order)
    turned = clips.iloc[order]
    folds = [{s.name: set(s.test) for s in all_splits(of, seed)} for of in (clips, turned)]
    assert folds[0] == folds[1]
    drawn = [draw_support(of, 3, rng=np.random.default_rng(seed)) for of in (clips, turned)]
    assert drawn[0] == drawn[1]


@settings(max_examples=40, deadline=None)
@given(corpora(), st.integers(0, 5))
def test_no_class_is_held_back_whole_and_no_group_in_part(clips, seed):
    assume(max(clips_a_class(clips).values(), default=0) > 1)
    try:
        train, back = held_back(clips, seed=seed)
    except SplitError:
        assume(False)
    assert sorted(train + back) == clips["clip_id"].tolist()
    of = clips.set_index("clip_id")
    assert not set(of["group"][train]) & set(of["group"][back])
    assert set(names_by_clip(of.loc[train])) == set(names_by_clip(of))


@settings(max_examples=60, deadline=None)
@given(corpora(), st.integers(0, 5))
def test_a_draw_has_k_clips_of_each_class_and_one_of_two_classes_counts_for_both(clips, seed):
    names = names_by_clip(clips.set_index("clip_id"))
    large = draw_support(clips, 8, rng=np.random.default_rng(seed))
    assert list(large) == sorted(set(names))
    for k in (1, 2, 5, 8):
        drawn = draw_support(clips, k, rng=np.random.default_rng(seed))
        assert drawn == {label: ids[:k] for label, ids in large.items()}
        support = set().union(*drawn.values())
        for label, ids in drawn.items():
            of_label = set(names.index[names == label])
            assert len(ids) == len(set(ids)) == min(k, len(of_label))
            assert set(ids) <= of_label
            if k >= len(of_label):
                assert of_label <= support
        # what is drawn for one class is not drawn again for another
        assert len(support) <= sum(min(k, n) for n in clips_a_class(clips).values())


def test_a_clip_of_two_classes_spares_a_draw_and_a_clip_of_none_is_not_drawn():
    clips = table(["frog;owl", "frog;owl", "owl", "owl", "", ""], [0, 1, 2, 3, 4, 5])
    for seed in range(10):
        drawn = draw_support(clips, 2, rng=np.random.default_rng(seed))
        assert sorted(drawn["frog"]) == ["c000", "c001"]
        assert drawn["owl"] == drawn["frog"]


def test_recordings_that_have_not_been_drawn_come_first_also_after_a_draw_for_another_class():
    # the only frog is of recording 0, which has further owls: the next owl is of another recording
    clips = table(["frog;owl", "owl", "owl", "owl", "owl"], [0, 0, 0, 0, 1])
    for seed in range(10):
        drawn = draw_support(clips, 2, rng=np.random.default_rng(seed))
        assert drawn == {"frog": ["c000"], "owl": ["c000", "c004"]}


def test_a_class_that_cannot_be_learned_is_named():
    clips = table(["owl", "owl", "frog;owl", "frog"], [0, 1, 2, 3])
    clips["fold"] = ["2", "3", "1", "1"]
    splits = Splits(clips, seed=0)
    assert splits.multi_label
    with pytest.raises(SplitError, match="fold 1: class frog is absent from the other folds"):
        splits.refuse_unlearnable()
    clips["fold"] = ["2", "3", "1", "2"]
    Splits(clips, seed=0).refuse_unlearnable()


def test_present_or_absent_can_be_told_apart_and_one_label_for_all_cannot():
    assert len(Splits(table(["owl", ""] * 10, list(range(20))), seed=0)) == 5
    for label, said in (("frog;owl", "of class 'frog;owl'"), ("", "of none of the classes")):
        with pytest.raises(SplitError, match=said):
            Splits(table([label] * 10, list(range(10))), seed=0)
