"""few_shot: k clips a class are learned, and those scored were never among them."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from faunashot.errors import SplitError
from faunashot.protocols import few_shot
from faunashot.protocols.base import WindowTable

THREE = {"cat": 20, "hen": 20, "owl": 20}


def accuracy(held_out: pd.DataFrame) -> pd.Series:
    """Share of windows whose largest score is their class', by k."""
    scores = held_out.filter(regex="^p_")
    guess = scores.idxmax(axis=1).str.removeprefix("p_")
    return (guess == held_out["label"]).groupby(held_out["k"]).mean()


class Seen(NamedTuple):
    """What one head learned from, and what it was scored on."""

    learned: list[str]
    tested: list[str]


@pytest.fixture
def heads(monkeypatch) -> dict[tuple[int, int], Seen]:
    """Every head that is scored, by episode and k; episodes run in threads of their own."""
    scored: dict[tuple[int, int], Seen] = {}
    latest = threading.local()
    learn, held_out = WindowTable.learn, WindowTable.held_out

    def learning(table, clip_ids):
        latest.learned = list(clip_ids)
        return learn(table, clip_ids)

    def scoring(table, clip_ids, scores, classes, **run):
        scored[run["episode"], run["k"]] = Seen(latest.learned, list(clip_ids))
        return held_out(table, clip_ids, scores, classes, **run)

    monkeypatch.setattr(WindowTable, "learn", learning)
    monkeypatch.setattr(WindowTable, "held_out", scoring)
    return scored


def test_every_episode_scores_its_test_fold_at_every_k(task, clips, params):
    held_out = few_shot.run(task(clips(THREE)), params()).held_out
    assert sorted(held_out["episode"].unique()) == list(range(10))
    assert sorted(held_out["k"].unique()) == [1, 2, 4]
    assert held_out.groupby("episode")["fold"].unique().str[0].tolist() == list("1234512345")
    fold = clips(THREE).set_index("clip_id")["fold"]
    for (_, _, name), rows in held_out.groupby(["k", "episode", "fold"]):
        assert sorted(rows["clip_id"].unique()) == sorted(fold.index[fold == name])
        assert (rows.groupby("clip_id").size() == 2).all()


def test_scores_are_probabilities_beside_the_clips_facts(task, clips, params):
    outcome = few_shot.run(task(clips(THREE)), params())
    assert outcome.classes == ["cat", "hen", "owl"]
    assert outcome.headline_k == 2
    assert outcome.takes == "embeddings"
    scores = outcome.held_out[["p_cat", "p_hen", "p_owl"]].to_numpy()
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    facts = outcome.held_out.drop_duplicates("clip_id").set_index("clip_id")[["label", "group"]]
    expected = clips(THREE).set_index("clip_id").loc[facts.index, ["label", "group"]]
    pd.testing.assert_frame_equal(facts, expected)


def test_no_clip_that_is_scored_was_learned_nor_any_of_its_group(task, clips, params, heads):
    group = clips(THREE).set_index("clip_id")["group"]
    few_shot.run(task(clips(THREE)), params())
    assert len(heads) == 10 * 3
    for seen in heads.values():
        assert not set(group[seen.learned]) & set(group[seen.tested])


def test_each_class_is_learned_from_k_clips_and_a_smaller_k_from_some_of_them(
    task, clips, params, heads
):
    label = clips(THREE).set_index("clip_id")["label"]
    few_shot.run(task(clips(THREE)), params())
    for (episode, k), seen in heads.items():
        assert label[seen.learned].value_counts().to_dict() == {"cat": k, "hen": k, "owl": k}
        assert set(heads[episode, 1].learned) <= set(seen.learned) <= set(heads[episode, 4].learned)


def test_the_served_head_learned_from_k_clips_of_each_class(task, clips, params):
    label = clips(THREE).set_index("clip_id")["label"]
    of_seed = task(clips(THREE))
    outcome = few_shot.run(of_seed, params())
    assert label[outcome.facts["learned_from"]].value_counts().to_dict() == dict.fromkeys(THREE, 2)
    windows, labels, weight = of_seed.target.learn(outcome.facts["learned_from"])
    again = of_seed.head().fit(windows, labels, sample_weight=weight)
    np.testing.assert_array_equal(outcome.head.predict_proba(windows), again.predict_proba(windows))


def test_more_labelled_clips_recognise_better(task, clips, params):
    of = few_shot.run(task(clips(THREE), apart=2.0), params(curve=[1, 5], k=15)).held_out
    by_k = accuracy(of)
    assert by_k[1] + 0.1 < by_k[5] < by_k[15]


def test_the_same_seed_draws_the_same_and_another_another(task, clips, params):
    first, again, other = (
        few_shot.run(task(clips(THREE), seed=seed), params()) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first.held_out, again.held_out)
    assert first.facts == again.facts
    assert not first.held_out.equals(other.held_out)


def test_episodes_are_the_same_at_another_k(task, clips, params):
    """Figures of k = 1 do not move when the curve goes further."""
    short, long = (
        few_shot.run(task(clips(THREE)), params(curve=[1], k=k)).held_out for k in (2, 4)
    )
    pd.testing.assert_frame_equal(
        short[short["k"] == 1].reset_index(drop=True), long[long["k"] == 1].reset_index(drop=True)
    )


def test_a_class_of_too_few_clips_gets_one_note_and_is_learned_as_far_as_it_goes(
    task, clips, params, heads
):
    few = clips({"cat": 20, "owl": 5})
    outcome = few_shot.run(task(few), params(k=10, curve=[1]))
    assert [note.split(":")[0] for note in outcome.notes] == ["class owl"]
    assert "4 clips in the training folds, fewer than k = 10" in outcome.notes[0]
    label = few.set_index("clip_id")["label"]
    owls = {label[seen.learned].eq("owl").sum() for (_, k), seen in heads.items() if k == 10}
    assert owls == {4}  # of five, one is in each test fold


def test_enough_clips_need_no_note(task, clips, params):
    assert few_shot.run(task(clips(THREE)), params()).notes == []


def test_source_clips_are_learned_jointly_and_their_classes_not_scored(task, clips, table, params):
    source = table(clips({"rain": 10, "wind": 10}), apart=-6.0, seed=9)
    outcome = few_shot.run(task(clips(THREE), source=source), params())
    assert outcome.head.classes_.tolist() == ["cat", "hen", "owl", "rain", "wind"]
    scores = outcome.held_out.filter(regex="^p_")
    assert list(scores.columns) == ["p_cat", "p_hen", "p_owl"]
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert outcome.classes == ["cat", "hen", "owl"]


def test_a_corpus_that_cannot_be_split_says_why(task, clips, params):
    with pytest.raises(SplitError, match="nothing to learn from"):
        few_shot.run(task(clips(THREE, folds=1)), params())
