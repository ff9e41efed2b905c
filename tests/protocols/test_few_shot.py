"""few_shot: k clips a class are learned, and those scored were never among them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import joblib
import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from faunashot.errors import ParameterError, SplitError
from faunashot.estimators import head
from faunashot.estimators.calibration import temper
from faunashot.estimators.heads.base import HeadClassifier
from faunashot.params import Params
from faunashot.protocols.base import Outcome, protocol_of
from faunashot.protocols.few_shot import CALIBRATION_FOLDS
from faunashot.protocols.support.task import Task
from faunashot.systems.catalogue import system
from faunashot.systems.record import Temperature

THREE = {"cat": 20, "hen": 20, "owl": 20}


def few_shot(task: Task, params: Params) -> Outcome:
    """Run the protocol."""
    return protocol_of(params).run(task)


@pytest.fixture(scope="module")
def plain(task, clips, params) -> Outcome:
    """The outcome of plain parameters."""
    return few_shot(task(clips(THREE)), params())


def accuracy(held_out: pd.DataFrame) -> pd.Series:
    """Share of clips whose largest score is their class', by k."""
    scores = held_out.filter(regex="^p_")
    guess = scores.idxmax(axis=1).str.removeprefix("p_")
    return (guess == held_out["label"]).groupby(held_out["k"]).mean()


def test_every_episode_scores_its_test_fold_at_every_k(plain, clips):
    held_out = plain.held_out
    assert sorted(held_out["episode"].unique()) == list(range(5))
    assert sorted(held_out["k"].unique()) == [1, 2, 4]
    assert held_out.groupby("episode")["fold"].unique().str[0].tolist() == list("12345")
    fold = clips(THREE).set_index("clip_id")["fold"]
    for (_, _, name), rows in held_out.groupby(["k", "episode", "fold"]):
        assert sorted(rows["clip_id"]) == sorted(fold.index[fold == name])  # a row a clip


def test_scores_are_probabilities_beside_the_clips_facts(plain, clips):
    held_out = plain.held_out
    assert plain.classes == ["cat", "hen", "owl"]
    assert (plain.headline_k, plain.estimator.level) == (2, "clip")
    scores = held_out[["p_cat", "p_hen", "p_owl"]].to_numpy()
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    facts = held_out.drop_duplicates("clip_id").set_index("clip_id")[["label", "group"]]
    expected = clips(THREE).set_index("clip_id").loc[facts.index, ["label", "group"]]
    pd.testing.assert_frame_equal(facts, expected)
    assert (held_out["end_s"] - held_out["start_s"] == 2).all()  # whole clips


def test_windows_are_scored_at_the_headline_k_by_the_same_heads(plain, task, clips, table, params):
    """Of clips of one window the scores of clip and window differ by the temperature alone."""
    of_one = task(table(clips(THREE), apart=2.0, windows=1))
    outcome = few_shot(of_one, params())
    assert outcome.windows["k"].unique().tolist() == [2]
    at_k = outcome.held_out[outcome.held_out["k"] == 2].reset_index(drop=True)
    assert at_k["temperature"].nunique() > 1
    for temperature, rows in at_k.groupby("temperature"):
        of_windows = outcome.windows.loc[rows.index].filter(regex="^p_")
        tempered = temper(of_windows, temperature)
        np.testing.assert_allclose(tempered, rows.filter(regex="^p_"), atol=1e-9)
    sizes = plain.windows.groupby(["episode", "clip_id"]).size()
    assert (sizes == 2).all()
    assert len(sizes) == (plain.held_out["k"] == 2).sum()


def test_no_clip_of_a_scored_group_was_learned_from_labelled_or_not(task, clips, params, learned):
    of_clips = clips(THREE)
    group, fold = (of_clips.set_index("clip_id")[name] for name in ("group", "fold"))
    outcome = few_shot(task(of_clips, system=system("rectified")), params())
    calibrating = 2 * 5  # two parts of a support of two clips a class
    assert len(learned) == 3 * 5 + calibrating + 1 + 2
    for number, learn in enumerate(learned[:10]):  # k = 1, then k = 2
        tested = fold.index[fold == str(1 + number % 5)]
        assert not set(learn.labelled) & set(learn.unlabelled)
        both = [*learn.labelled, *learn.unlabelled]
        assert set(both) == set(fold.index) - set(tested)
        assert not set(group[both]) & set(group[tested])
    for number, learn in enumerate(learned[10 : 10 + calibrating]):
        tested = fold.index[fold == str(1 + number // 2 % 5)]
        assert not set(group[[*learn.labelled, *learn.unlabelled]]) & set(group[tested])
    for rotation in outcome.rotations:
        assert not set(group[list(rotation.learned)]) & set(group[list(rotation.tested)])
        rows = outcome.held_out[outcome.held_out["episode"] == rotation.episode]
        assert set(rows["clip_id"]) == set(rotation.tested)


def test_a_group_on_both_sides_is_learned_from_nowhere(task, clips, params, learned):
    """Copies of a recording in every fold: what is scored is not known in another copy."""
    copied = clips(THREE)
    copied.loc[copied["clip_id"].isin([f"owl{n}" for n in range(10)]), "group"] = "one owl"
    group = copied.set_index("clip_id")["group"]
    few_shot(task(copied), params(k_values=[]))
    for learn in learned[:5]:
        assert "one owl" not in set(group[[*learn.labelled, *learn.unlabelled]])


def test_each_class_is_learned_from_k_clips_and_a_smaller_k_from_some_of_them(
    task, clips, params, learned
):
    label = clips(THREE).set_index("clip_id")["label"]
    few_shot(task(clips(THREE)), params(k=4, k_values=[1, 2]))
    by_k = [learned[at : at + 5] for at in (0, 5, 10)]
    for k, sets in zip((1, 2, 4), by_k, strict=True):
        for learn in sets:
            counts = label[list(learn.labelled)].value_counts().to_dict()
            assert counts == {"cat": k, "hen": k, "owl": k}
    for fewer, more in pairwise(by_k):
        assert all(set(a.labelled) <= set(b.labelled) for a, b in zip(fewer, more, strict=True))


def test_the_served_head_learned_from_k_clips_of_each_class(plain, task, clips):
    label = clips(THREE).set_index("clip_id")["label"]
    of_seed = task(clips(THREE))
    ids = plain.learned_from
    assert label[ids].value_counts().to_dict() == dict.fromkeys(THREE, 2)
    spare = [i for i in label.index if i not in ids]
    train = of_seed.target.examples(ids)
    again = of_seed.estimator().fit(train, unlabelled=of_seed.target.examples(spare))
    of_served = plain.estimator.predict_clips(train)
    np.testing.assert_allclose(of_served, again.predict_clips(train), atol=1e-12)
    assert plain.temperature.clips == 6


def test_more_clips_learn_more(task, clips, params):
    outcome = few_shot(task(clips(THREE), apart=2.5), params(k=8, k_values=[1, 3]))
    by_k = accuracy(outcome.held_out)
    assert 1 / 3 < by_k[1] < by_k[3] < by_k[8] <= 1


def test_the_temperature_comes_from_the_support_at_the_headline_k_alone(
    task, clips, params, learned
):
    """Every labelled clip is scored once by a head on the others; no other label is looked at."""
    outcome = few_shot(task(clips(THREE), apart=2.0), params(k=7, k_values=[1], episodes=2))
    held_out = outcome.held_out
    assert (held_out.loc[held_out["k"] == 1, "temperature"] == 1).all()
    at_k = held_out[held_out["k"] == 7].groupby("episode")["temperature"]
    assert (at_k.nunique() == 1).all()
    assert (at_k.first() != 1).all()
    for at, support in enumerate(learned[2:4]):  # after those of k = 1
        parts = learned[4 + 5 * at :][:CALIBRATION_FOLDS]
        left_out = [i for part in parts for i in set(support.labelled) - set(part.labelled)]
        assert sorted(left_out) == sorted(support.labelled)
        assert all(part.unlabelled == support.unlabelled for part in parts)


def test_one_clip_a_class_leaves_nothing_to_temper_by(task, clips, params):
    outcome = few_shot(task(clips(THREE)), params(k=1, k_values=[]))
    assert outcome.temperature == Temperature(value=1.0, clips=3)
    assert (outcome.held_out["temperature"] == 1).all()


def test_a_head_that_is_too_sure_is_tempered_down(task, clips, params):
    sharp = replace(system("prototype"), settings={"temperature": 0.002})
    outcome = few_shot(task(clips(THREE), apart=1.0, system=sharp), params(k=8, k_values=[]))
    assert outcome.temperature.value > 2
    highest = outcome.held_out.filter(regex="^p_").max(axis=1).mean()
    right = accuracy(outcome.held_out)[8]
    assert abs(highest - right) < outcome.windows.filter(regex="^p_").max(axis=1).mean() - right


def test_the_same_seed_draws_the_same_and_another_another(plain, task, clips, params):
    again, other = (few_shot(task(clips(THREE), seed=seed), params()) for seed in (42, 2))
    pd.testing.assert_frame_equal(plain.held_out, again.held_out)
    assert plain.facts == again.facts
    assert not plain.held_out.equals(other.held_out)


def test_episodes_are_the_same_at_another_k(task, clips, params):
    """Figures of k = 1 do not move when the curve goes further."""
    short, long = (few_shot(task(clips(THREE)), params(k_values=[1], k=k)).held_out for k in (2, 4))
    pd.testing.assert_frame_equal(
        short[short["k"] == 1].reset_index(drop=True), long[long["k"] == 1].reset_index(drop=True)
    )


@pytest.mark.parametrize("name", ["logistic", "rectified", "prototype"])
def test_an_episode_does_not_depend_on_how_many_follow(name, task, clips, params):
    """Heads are fitted together, each to its own optimum."""
    few, many = (
        few_shot(task(clips(THREE), apart=2.0, system=system(name)), params(episodes=n))
        for n in (3, 7)
    )
    same = many.held_out[many.held_out["episode"] < 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(few.held_out, same, rtol=0, atol=1e-3)
    pd.testing.assert_frame_equal(
        few.windows, many.windows[many.windows["episode"] < 3], rtol=0, atol=1e-3
    )
    assert few.learned_from == many.learned_from


def test_one_thread_and_two_learn_the_same(task, clips, params, monkeypatch):
    of_clips = task(clips(THREE), apart=2.0, system=system("rectified"))
    few = params(k_values=[], episodes=3)
    monkeypatch.setattr(HeadClassifier, "threads_above", 0)  # as where clips are many
    with threadpool_limits(2):
        two = few_shot(of_clips, few)
    monkeypatch.setattr(head, "Parallel", lambda **_: joblib.Parallel(n_jobs=1))
    with threadpool_limits(1):
        one = few_shot(of_clips, few)
    pd.testing.assert_frame_equal(one.held_out, two.held_out, rtol=0, atol=1e-6)
    assert one.temperature.value == pytest.approx(two.temperature.value, abs=1e-6)


def test_a_class_of_fewer_clips_than_k_is_refused_and_named(task, clips, params):
    few = task(clips({"cat": 20, "owl": 5}))
    with pytest.raises(ParameterError, match=r"k: 5, but class owl has 4 clips to learn from"):
        few_shot(few, params(k=5))
    assert few_shot(few, params(k=4)).notes == []


def test_clips_that_are_no_longer_there_to_learn_from_do_not_count(task, clips, params):
    """One owl of twenty is in each fold, so that its recording is learned from nowhere."""
    copied = clips({"cat": 20, "owl": 20})
    copied.loc[copied["clip_id"].isin([f"owl{n}" for n in range(15)]), "group"] = "one owl"
    few = task(copied)
    assert few.design.learnable == {"cat": 16, "owl": 4}
    with pytest.raises(ParameterError, match=r"class owl has 4 clips .*; set protocol\.k=4, and"):
        few_shot(few, params(k=10))


def test_a_point_says_how_many_clips_its_classes_were_learned_from(task, clips, params):
    few = task(clips({"cat": 20, "owl": 5}))
    outcome = few_shot(few, params(k=2, k_values=[1, 10, 16, 17]))
    labelled = outcome.held_out.groupby("k")[["labelled_least", "labelled_most"]]
    assert labelled.min().to_numpy().tolist() == [[1, 1], [2, 2], [4, 10], [4, 16]]
    assert labelled.max().equals(labelled.min())
    assert outcome.notes[-1] == (
        "k = 17 is left out: no class has more than 16 clips to learn from"
    )


def test_on_the_curve_such_a_class_gets_one_note_and_is_learned_as_far_as_it_goes(
    task, clips, params, learned
):
    few = clips({"cat": 20, "owl": 5})
    outcome = few_shot(task(few), params(k=2, k_values=[10]))
    assert [note.split(":")[0] for note in outcome.notes] == ["class owl"]
    assert "4 clips to learn from, fewer than k = 10" in outcome.notes[0]
    label = few.set_index("clip_id")["label"]
    counts = [label[list(learn.labelled)].value_counts().to_dict() for learn in learned[-8:-3]]
    assert counts == [{"cat": 10, "owl": 4}] * 5  # of five owls, one is in each test fold


def test_a_class_of_the_test_fold_alone_is_refused_and_named(task, clips, params):
    alone = clips(THREE)
    alone = alone[(alone["label"] != "owl") | (alone["fold"] == "3")]
    with pytest.raises(SplitError, match="fold 3: class owl is absent from the other folds"):
        few_shot(task(alone), params())
    few_shot(task(alone, folds="grouped"), params())  # folds that are made spread it


def test_enough_clips_need_no_note(plain):
    assert plain.notes == []


def test_source_clips_are_learned_jointly_and_their_classes_not_scored(
    task, clips, table, params, learned
):
    source = table(clips({"rain": 10, "wind": 10}), apart=-6.0, seed=9)
    outcome = few_shot(task(clips(THREE), source=source), params())
    assert outcome.estimator.classes_.tolist() == ["cat", "hen", "owl", "rain", "wind"]
    scores = outcome.held_out.filter(regex="^p_")
    assert list(scores.columns) == ["p_cat", "p_hen", "p_owl"]
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert outcome.classes == ["cat", "hen", "owl"]
    label = source.clips.set_index("clip_id")["label"]
    for learn in learned:
        assert label[list(learn.source)].value_counts().to_dict() == {"rain": 3, "wind": 3}


@pytest.mark.parametrize("transfer", ["sequential", "background"])
def test_no_source_clip_is_a_class_where_it_is_learned_before_or_is_background(
    transfer, task, clips, table, params
):
    source = table(clips({"rain": 10, "wind": 10}), apart=-6.0, seed=9)
    outcome = few_shot(task(clips(THREE), source=source, transfer=transfer), params())
    assert outcome.estimator.classes_.tolist() == ["cat", "hen", "owl"]
    if transfer == "sequential":
        assert outcome.estimator.source_head.classes_.tolist() == ["rain", "wind"]
    else:
        assert outcome.estimator.source_head is None


def test_the_source_is_learned_before_from_all_of_its_clips(task, clips, table, params):
    source = table(clips({"rain": 10, "wind": 10}), apart=6.0, seed=9)
    of_source = task(clips(THREE), source=source, transfer="sequential")
    ids = source.clips["clip_id"].tolist()
    alone = of_source.estimator().fit(source.examples(ids))
    before = few_shot(of_source, params()).estimator.source_head
    rows = of_source.target.means(of_source.target.clips["clip_id"])
    np.testing.assert_allclose(before.predict_proba(rows), alone.predict_proba(rows), atol=1e-12)


def test_the_draw_of_the_target_does_not_depend_on_the_source(plain, task, clips, table, params):
    source = table(clips({"rain": 10, "wind": 10}), apart=6.0, seed=9)
    beside = few_shot(task(clips(THREE), source=source), params())
    drawn = [(r.learned, r.tested) for r in beside.rotations]
    assert drawn == [(r.learned, r.tested) for r in plain.rotations]


def test_a_corpus_that_cannot_be_split_says_why(task, clips, params):
    with pytest.raises(SplitError, match="nothing to learn from"):
        few_shot(task(clips(THREE, folds=1)), params())
