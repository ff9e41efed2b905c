"""audit: copies of one recording under several names, labels, folds or corpora."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from faunashot.corpora.audit import SOURCE, TARGET, Audited, audit
from faunashot.corpora.locate import empty


@pytest.fixture
def audited(clips_of: Callable[..., pd.DataFrame]) -> Callable[..., Audited]:
    """Audit a target, and a source where one is given, each as (clips, hashes)."""

    def run(target: tuple[str, str], source: tuple[str, str] | None = None) -> Audited:
        beside = clips_of(source[0], sha256=source[1]) if source else empty()
        return audit(clips_of(target[0], sha256=target[1]), beside)

    return run


def groups(found: Audited) -> dict[str, str]:
    return dict(zip(found.clips["clip_id"], found.clips["group"], strict=True))


def test_nothing_is_found_where_nothing_is_wrong(audited):
    found = audited(("a owl 1 g1\nb owl 1 g1\nc cat 2 g2", "x y z"))
    assert found.report == {
        "clips": 3,
        "exact_duplicates": [],
        "crossing": [],
        "conflicts": [],
        "across_corpora": [],
        "groups": 2,
        "left_out": 0,
    }
    assert groups(found)["a"] == groups(found)["b"] != groups(found)["c"]


def test_exact_duplicates_join_their_groups(audited):
    found = audited(("a owl 1 g1\nb owl 1 g2\nc owl 1 g3", "x x z"))
    assert found.report["exact_duplicates"] == [["a.wav", "b.wav"]]
    assert found.report["groups"] == 2
    assert groups(found)["a"] == groups(found)["b"] != groups(found)["c"]
    assert len(found.clips) == 3


def test_groups_join_transitively(audited):
    """a ~ b by hash, b and c by group, c ~ d by hash: one group; e stays apart."""
    clips = "a owl 1 g1\nb owl 1 g2\nc owl 1 g2\nd owl 1 g3\ne owl 1 g4"
    found = audited((clips, "x x y y z"))
    joined = groups(found)
    assert len({joined[i] for i in "abcd"}) == 1
    assert joined["e"] != joined["a"]
    assert found.report["groups"] == 2


def test_copies_in_several_folds_are_reported_and_kept(audited):
    found = audited(("a owl 1 g1\nb owl 2 g2\nc owl 2 g3\nd owl 2 g4", "x x y y"))
    assert found.report["crossing"] == [["a.wav", "b.wav"]]
    assert len(found.clips) == 4


def test_copies_without_folds_do_not_cross(audited):
    assert audited(("a owl - g1\nb owl - g2", "x x")).report["crossing"] == []


def test_copies_with_several_labels_are_left_out(audited):
    found = audited(("a owl 1 g1\nb cat 1 g2\nc cat 1 g3", "x x y"))
    assert found.report["conflicts"] == [["a.wav", "b.wav"]]
    assert found.report["left_out"] == 2
    assert found.clips["clip_id"].tolist() == ["c"]


def test_source_clips_that_are_in_the_target_are_left_out(audited):
    found = audited(("a owl 1 g1\nb cat 1 g2", "x y"), ("s rain 1 g1\nt wind 1 g2", "x z"))
    assert found.report["across_corpora"] == [["a.wav", "s.wav"]]
    assert found.clips.groupby("role")["clip_id"].agg(list).to_dict() == {
        TARGET: ["a", "b"],
        SOURCE: ["t"],
    }


def test_every_source_copy_goes_also_where_there_are_several(audited):
    found = audited(("a owl 1 g", "x"), ("s rain 1 g1\nt rain 1 g2\nu wind 1 g3", "x x y"))
    assert found.clips["clip_id"].tolist() == ["a", "u"]
    assert found.report["left_out"] == 2


def test_groups_of_one_name_in_two_corpora_stay_apart(audited):
    found = audited(("a owl 1 g", "x"), ("s rain 1 g", "y"))
    assert len(set(found.clips["group"])) == 2


def test_conflicts_in_the_target_are_left_out_also_where_the_source_has_a_copy(audited):
    found = audited(("a owl 1 g1\nb cat 1 g2\nc cat 1 g3", "x x y"), ("s rain 1 g", "x"))
    assert found.clips["clip_id"].tolist() == ["c"]
    assert found.report["conflicts"] == [["a.wav", "b.wav"]]


def test_copies_in_several_folds_are_reported_also_where_the_source_has_one(audited):
    found = audited(("a owl 1 g1\nb owl 2 g2", "x x"), ("s rain 1 g", "x"))
    assert found.report["crossing"] == [["a.wav", "b.wav"]]
    assert found.report["exact_duplicates"] == [["a.wav", "b.wav"]]


def test_duplicates_are_found_whatever_the_order_of_rows(clips_of):
    table = clips_of("a owl 1 g1\nb owl 2 g2\nc cat 2 g3", sha256="x x y")
    found = audit(table, empty())
    turned = audit(table.iloc[::-1], empty())
    assert turned.report == found.report
    assert groups(turned) == groups(found)
