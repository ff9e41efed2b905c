"""splits: nothing leaks, every clip is scored once, and a seed says which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from faunashot.data.draws import draw_support
from faunashot.data.splits import Split, Splits, held_back, refuse_leak
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


LAYOUTS = ["none", "2 folds", "5 folds", "10 folds", "parts", "parts with validation"]


@st.composite
def corpora(draw, *, layouts: Sequence[str] = LAYOUTS, pure: bool = False) -> pd.DataFrame:
    """Clips of up to 4 classes in up to 25 groups, in a layout of folds.

    A group may have clips of several classes, unless `pure`, and in several folds.
    """
    n = draw(st.integers(10, 60))
    of = st.lists(st.integers(0, 24), min_size=n, max_size=n)
    groups, labels = draw(of), [i % 4 for i in draw(of)]
    if pure:
        labels = [g % 4 for g in groups]
    assume(len(set(labels)) > 1)
    layout = draw(st.sampled_from(layouts))
    if layout == "none":
        assume(len(set(groups)) >= 5)
        return table(labels, groups, [None] * n)
    names = {
        "parts": ["train", "test"],
        "parts with validation": ["train", "validation", "test"],
    }.get(layout) or [str(1 + i) for i in range(int(layout.split()[0]))]
    official = [names[g % len(names)] for g in groups]
    for at in draw(st.lists(st.integers(0, n - 1), max_size=5)):
        official[at] = names[at % len(names)]
    assume(set(official) >= set(names[:2]))
    assume("parts" not in layout or set(official) == set(names))
    return table(labels, groups, official)


def all_splits(clips: pd.DataFrame, seed: int, **options: str) -> list[Split]:
    """Every split, or none where a corpus this small leaves nothing to learn from."""
    try:
        return list(Splits(clips, seed=seed, **options))
    except SplitError as error:
        assume("nothing is left" not in str(error) and "make no folds" not in str(error))
        raise


@settings(max_examples=60, deadline=None)
@given(corpora(), st.integers(0, 5), st.sampled_from(["official", "grouped"]))
def test_no_group_is_on_two_sides(clips, seed, folds):
    group = clips.set_index("clip_id")["group"]
    for split in all_splits(clips, seed, folds=folds):
        parts = [set(group.loc[list(ids)]) for ids in (split.train, split.validation, split.test)]
        assert not parts[0] & parts[1]
        assert not parts[0] & parts[2]
        assert not parts[1] & parts[2]
        assert parts[0]
        assert parts[2]


@settings(max_examples=60, deadline=None)
@given(corpora(), st.integers(0, 5), st.sampled_from(["official", "grouped", "random"]))
def test_every_clip_is_tested_once_or_where_parts_are_published_is_of_the_test_part(
    clips, seed, folds
):
    fold = clips.set_index("clip_id")["fold"]
    expected = (
        fold.index[fold == "test"] if folds == "official" and "test" in set(fold) else fold.index
    )
    tested = [i for split in all_splits(clips, seed, folds=folds) for i in split.test]
    assert sorted(tested) == expected.tolist()


@settings(max_examples=40, deadline=None)
@given(corpora(layouts=["none"], pure=True), st.integers(0, 5))
def test_a_class_of_two_recordings_is_always_learned_and_of_three_in_the_training_part(clips, seed):
    label = clips.set_index("clip_id")["label"]
    recordings = clips.groupby("label")["group"].nunique()
    for split in all_splits(clips, seed):
        learned, trained = (set(label[list(ids)]) for ids in (split.learnable, split.train))
        assert set(recordings.index[recordings >= 2]) <= learned
        assert set(recordings.index[recordings >= 3]) <= trained


@settings(max_examples=25, deadline=None)
@given(corpora(layouts=["none", "5 folds"]), st.integers(0, 5), st.randoms())
def test_made_folds_are_those_of_the_seed_whatever_the_order_of_rows(clips, seed, random):
    order = list(range(len(clips)))
    random.shuffle(order)
    options = {"folds": "grouped"}
    expected = {s.name: set(s.test) for s in all_splits(clips, seed, **options)}
    shuffled = all_splits(clips.iloc[order], seed, **options)
    assert {s.name: set(s.test) for s in shuffled} == expected


def test_made_folds_are_the_same_on_every_machine(clips_of):
    """The folds of seed 42, written down: another version of a library may not move a clip."""
    clips = clips_of(
        "\n".join(f"c{n:02} {'owl' if n % 3 else 'cat'} - g{n // 2}" for n in range(20))
    )
    assert {s.name: " ".join(s.test) for s in Splits(clips, seed=42)} == {
        "1": "c14 c15 c16 c17",
        "2": "c10 c11 c18 c19",
        "3": "c04 c05 c08 c09",
        "4": "c02 c03 c06 c07",
        "5": "c00 c01 c12 c13",
    }


def test_published_folds_can_be_left_aside(clips_of):
    rows = [
        f"c{n} {'owl' if n % 2 else 'cat'} {'test' if n > 15 else 'train'} g{n}" for n in range(20)
    ]
    clips = clips_of("\n".join(rows))
    assert len(Splits(clips, seed=0)) == 1
    made = list(Splits(clips, seed=0, folds="grouped"))
    assert made == list(Splits(clips.assign(fold=None), seed=0))
    assert len(made) == 5


def test_a_leak_can_be_made_on_purpose_and_only_so(clips_of):
    clips = clips_of(
        "\n".join(f"c{n} {'owl' if n % 2 else 'cat'} {n % 5} g{n // 10}" for n in range(20))
    )
    group = clips.set_index("clip_id")["group"]
    for split in Splits(clips, seed=0, folds="random"):
        assert set(group[list(split.train)]) & set(group[list(split.test)])
        with pytest.raises(SplitError, match="leak: clips of"):
            refuse_leak(group, [split.train, split.test])
    assert list(clips["group"].unique()) == ["g0", "g1"]


def test_a_split_that_would_leak_is_never_handed_out(clips_of, monkeypatch):
    """A group planted on both sides: what should keep it off the training side is switched off."""
    clips = clips_of(FIVE_FOLDS)
    clips.loc[clips["clip_id"].isin(["c0", "c19"]), "group"] = "twins"
    monkeypatch.setattr(Splits, "_without", lambda self, ids, tested: list(ids))
    with pytest.raises(SplitError, match="leak: clips of twins sit on both sides"):
        Splits(clips, seed=0).split(0)


def test_a_class_that_a_fold_lacks_does_not_matter(clips_of):
    rows = [f"c{n} {'owl' if n > 11 else 'cat'} {1 + n // 4} g{n}" for n in range(20)]
    splits = list(Splits(clips_of("\n".join(rows)), seed=0))
    assert [len(s.test) for s in splits] == [4] * 5


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
    clips = clips_of(
        "\n".join(f"c{n} {'owl' if n % 2 else 'cat'} {n} g{n}" for n in range(10, 0, -1))
    )
    assert [s.name for s in Splits(clips, seed=0)] == [str(n) for n in range(1, 11)]


def test_split_number_wraps_around(clips_of):
    splits = Splits(clips_of(FIVE_FOLDS), seed=0)
    assert len(splits) == 5
    assert splits.split(7) == splits.split(2)


def test_published_parts_are_kept(clips_of):
    clips = clips_of("a owl train g1\nb cat train g2\nc owl validation g3\nd owl test g4")
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
        ("a owl 1 g1\nb owl 2 g2", "all clips are of class 'owl': there is nothing to tell apart"),
        ("a owl train g1\nb owl test g2", "all clips are of class 'owl'"),
        ("a owl - g1\nb owl - g2", "all clips are of class 'owl'"),
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
    clips = clips_of(
        "\n".join(f"c{n} {'owl' if n % 4 > 1 else 'cat'} {1 + n % 2} g{n}" for n in range(20))
    )
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
@given(corpora(layouts=["none"]), st.integers(0, 5))
def test_a_smaller_support_is_the_beginning_of_a_larger(clips, seed):
    large = draw_support(clips, 8, rng=np.random.default_rng(seed))
    for k in (1, 2, 5):
        small = draw_support(clips, k, rng=np.random.default_rng(seed))
        assert small == {label: ids[:k] for label, ids in large.items()}


@settings(max_examples=25, deadline=None)
@given(corpora(layouts=["none"]), st.integers(0, 5), st.integers(1, 10))
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


@settings(max_examples=60, deadline=None)
@given(corpora(layouts=["none"]), st.integers(0, 5))
def test_no_group_is_held_back_and_trained_on(clips, seed):
    assume(clips["label"].value_counts().max() > 1)
    train, back = held_back(clips, seed=seed)
    assert sorted(train + back) == sorted(clips["clip_id"])
    of = clips.set_index("clip_id")
    assert not set(of["group"][train]) & set(of["group"][back])
    assert set(of["label"][train]) == set(of["label"])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("a_group", [1, 2])
def test_about_a_fifth_of_each_class_is_held_back(seed, a_group):
    labels = np.repeat([0, 1, 2], [50, 20, 10]).tolist()
    clips = table(labels, [n // a_group for n in range(80)], [None] * 80)
    _, back = held_back(clips, seed=seed)
    counts = clips.set_index("clip_id")["label"][back].value_counts()
    for label, fifth in (("class0", 10), ("class1", 4), ("class2", 2)):
        assert abs(counts[label] - fifth) <= a_group - 1


def test_held_back_are_those_of_the_seed_whatever_the_order_of_rows():
    clips = table([n % 2 for n in range(40)], list(range(40)), [None] * 40)
    (_, first), (_, again), (_, other) = (
        held_back(rows, seed=seed) for rows, seed in ((clips, 7), (clips[::-1], 7), (clips, 8))
    )
    assert set(first) == set(again) != set(other)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("rare", ["owl - alone", "owl - pair\nx1 owl - pair\nx2 owl - pair"])
def test_a_class_of_one_recording_is_trained_on(clips_of, rare, seed):
    rows = [f"c{n} cat - g{n}" for n in range(10)]
    train, back = held_back(clips_of("\n".join([*rows, f"x0 {rare}"])), seed=seed)
    assert {i for i in train if i.startswith("x")} == {f"x{n}" for n in range(len(rare.split("x")))}
    assert len(back) in (1, 2)
    assert all(i.startswith("c") for i in back)


def test_of_five_clips_a_class_one_is_held_back(clips_of):
    rows = [f"{label}{n} {label} - {label}{n}" for label in ("cat", "hen", "owl") for n in range(5)]
    train, back = held_back(clips_of("\n".join(rows)), seed=0)
    assert sorted(i[:3] for i in back) == ["cat", "hen", "owl"]
    assert len(train) == 12


def test_the_remedy_for_a_class_that_cannot_be_learned_is_one(clips_of):
    """Other folds where they help; leaving the class out where two are left; else recordings."""
    rest = "\n".join(
        f"{kind}{n} {kind} {n} {kind}{n}" for kind in ("cat", "hen") for n in (1, 2, 3)
    )

    def said(rows: str, **how: str) -> str:
        with pytest.raises(SplitError, match="class owl is absent from the other folds") as raised:
            Splits(clips_of(rows), seed=0, **how).refuse_unlearnable()
        return str(raised.value).split("; ")[1]

    in_one_fold = f"{rest}\na owl 1 g1\nb owl 1 g2\nc owl 1 g3"
    assert said(in_one_fold) == "set protocol.folds=grouped"
    Splits(clips_of(in_one_fold), seed=0, folds="grouped").refuse_unlearnable()

    of_one_recording = f"{rest}\na owl 1 g1\nb owl 1 g1"
    for folds in ("official", "grouped"):
        remedy = said(of_one_recording, folds=folds)
        assert remedy == "add recordings of it, or set the corpus' classes to [cat, hen]"
        Splits(clips_of(rest), seed=0, folds=folds).refuse_unlearnable()

    beside_one_class = "a owl - g1\nb cat - g2\nc cat - g3\nd cat - g4"
    assert said(beside_one_class) == "add recordings of it"
