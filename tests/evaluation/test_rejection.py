"""Figures of a detector whose scores are known, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from faunashot.errors import ParameterError
from faunashot.evaluation.rejection import rejection

ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.booleans(), st.booleans()),
    min_size=2,
    max_size=30,
).filter(lambda rows: len({known for _, known, _ in rows}) == 2)


@settings(deadline=None, max_examples=50)
@given(ROWS, st.sampled_from([0.3, 0.5, 0.95, 1.0]), st.sampled_from([-1.0, 0.1, 0.3, 2.0]))
def test_figures_are_those_of_scikit_learn_and_of_counting(rows, recall, threshold):
    score, known, correct = (np.array(column) for column in zip(*rows, strict=True))

    found = rejection(
        *(score, known),
        groups=range(len(rows)),
        threshold=threshold,
        correct=correct,
        recall=recall,
        n_bootstrap=3,
    )

    assert found["auroc"].value == pytest.approx(roc_auc_score(~known, score))
    background, accepted, _ = roc_curve(known, -score, drop_intermediate=False)
    at_recall = background[accepted >= recall - 1e-9].min()
    assert found["false_alarms_at_recall"].value == pytest.approx(at_recall)
    passed = score <= threshold
    assert found["false_alarms"].value == pytest.approx(passed[~known].mean())
    assert found["passed"].value == pytest.approx(passed[known].mean())
    if passed[known].any():
        assert found["accuracy"].value == pytest.approx(correct[known & passed].mean())
    else:
        assert "accuracy" not in found
    for figure in found.values():
        assert figure.low is None or 0 <= figure.low <= figure.high <= 1


def scored(n: int = 200, *, apart: float = 2.0, copies: int = 1, seed: int = 0):
    """Scores, kinds and groups of n known and n background recordings, each so many times."""
    rng = np.random.default_rng(seed)
    known = np.arange(2 * n) < n
    score = rng.normal(np.where(known, 0, apart))
    return tuple(np.repeat(part, copies) for part in (score, known, np.arange(2 * n)))


def test_without_correct_there_is_no_accuracy():
    score, known, groups = scored()

    assert list(rejection(score, known, groups=groups, threshold=1)) == [
        *("auroc", "false_alarms_at_recall", "false_alarms", "passed")
    ]


def test_intervals_hold_what_they_should_about_as_often_as_they_say():
    truth = 0.9213  # of two normals 2 apart: the distribution function at the square root of 2
    held = 0
    for seed in range(40):
        score, known, groups = scored(60, seed=seed)
        auroc = rejection(score, known, groups=groups, threshold=1, n_bootstrap=200, seed=seed)[
            "auroc"
        ]
        held += auroc.low <= truth <= auroc.high

    assert 34 <= held <= 40


def test_copies_of_a_recording_do_not_narrow_the_interval():
    score, known, groups = scored(50)
    once = rejection(score, known, groups=groups, threshold=1)
    score, known, groups = scored(50, copies=4)
    four_times = rejection(score, known, groups=groups, threshold=1)
    as_if_different = rejection(score, known, groups=range(400), threshold=1)

    def width(found):
        return found["passed"].high - found["passed"].low

    assert four_times["passed"] == pytest.approx(once["passed"])
    assert width(as_if_different) < 0.7 * width(four_times)


def test_the_seed_says_it_all():
    score, known, groups = scored(30)
    one, same, other = (
        rejection(score, known, groups=groups, threshold=1, seed=seed, n_bootstrap=50)
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one["auroc"].low != other["auroc"].low


def test_one_group_of_a_kind_gives_no_interval():
    found = rejection([0, 1, 2], [True, True, False], groups=["a", "b", "c"], threshold=1)

    assert found["auroc"] == (1.0, None, None)


def test_a_group_may_hold_both_kinds():
    found = rejection([0, 1, 2, 3], [1, 1, 0, 0], groups=["a", "b", "a", "b"], threshold=1)

    assert found["false_alarms"] == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"known": [True, False]}, "known, correct"),
        ({"correct": [True]}, "known, correct"),
        ({"known": [True] * 3}, "score: needs"),
        ({"known": [False] * 3}, "score: needs"),
        ({"score": [0, 1, float("nan")]}, "score: needs finite"),
        ({"threshold": float("nan")}, "score: needs finite"),
        ({"recall": 0}, "recall 0"),
        ({"confidence_level": 1}, "confidence_level 1"),
        ({"n_bootstrap": 0}, "n_bootstrap 0"),
        ({"groups": ["a", None, "c"]}, "groups"),
        ({"groups": ["a", "b"]}, "groups"),
    ],
)
def test_what_says_nothing_is_refused(change, message):
    good = {"score": [0, 1, 2], "known": [1, 1, 0], "groups": ["a", "b", "c"], "threshold": 1.0}

    with pytest.raises(ParameterError, match=message):
        rejection(**{**good, **change})
