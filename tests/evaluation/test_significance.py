"""Paired tests: known values, p-values that are uniform when nothing differs, coverage."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from faunashot.errors import ParameterError
from faunashot.evaluation.scored import ScoredClips
from faunashot.evaluation.significance import holm, inverted_p, mcnemar_p, paired_runs, swap_p

CLASSES = ["cat", "hen", "owl", "yak"]
C = len(CLASSES)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def guesses(
    rng: np.random.Generator, right: tuple[float, ...], *, n_groups: int, per_group: int = 2
):
    """Labels, groups, and what systems say: clips of a recording are hard or easy together."""
    group = np.repeat(np.arange(n_groups), per_group)
    true = (group % C).astype(np.intp)
    ease = rng.normal(0, 0.15, n_groups)[group]
    said = []
    for share in right:
        # a system, too, stands or falls by recording
        luck = np.repeat(rng.random(n_groups), per_group)
        wrong = (true + rng.integers(1, C, true.size)) % C
        said.append(np.where(luck < share + ease, true, wrong))
    return true, group, said


def by_recording(true: np.ndarray, group: np.ndarray, said: list[np.ndarray]) -> list[ScoredClips]:
    one_hot = np.eye(C, dtype=bool)
    return [ScoredClips(one_hot[true], one_hot[pred], group) for pred in said]


def runs(seed: int, *right: float, n_groups: int = 40, episode: int = -1) -> list[pd.DataFrame]:
    of = guesses(np.random.default_rng(seed), right, n_groups=n_groups)
    return tables(*of, episode=episode)


def tables(
    true: np.ndarray, group: np.ndarray, said: list[np.ndarray], *, episode: int = -1
) -> list[pd.DataFrame]:
    names = np.array(CLASSES)
    facts = {"episode": episode, "clip_id": [f"c{i}" for i in range(true.size)], "group": group}
    return [
        pd.DataFrame({**facts, "label": names[true], "predicted": names[pred]}) for pred in said
    ]


def macro_f1(table: pd.DataFrame) -> float:
    return f1_score(table["label"], table["predicted"], average="macro")


def test_runs_by_recording_against_scikit_learn_and_scipy():
    a, b = runs(0, 0.9, 0.4)
    b = b.sample(frac=1, random_state=0)  # in another order

    found = paired_runs(a, b, CLASSES)

    assert found.macro_f1.value == pytest.approx(macro_f1(a) - macro_f1(b))
    both = a.merge(b, on="clip_id")
    right = [both["predicted_x"] == both["label_x"], both["predicted_y"] == both["label_y"]]
    assert found.figures["accuracy"].value == pytest.approx(right[0].mean() - right[1].mean())
    assert 0 < found.macro_f1.low < found.macro_f1.value < found.macro_f1.high
    assert found.p_value < 0.01
    assert found.p_mcnemar == mcnemar_p(*right) < 0.01


def episodes(n: int, *right: float) -> list[pd.DataFrame]:
    """Runs that each score the same 40 recordings in every episode, another luck in each."""
    each = zip(*(runs(seed, *right, episode=seed) for seed in range(n)), strict=True)
    return [pd.concat(tables) for tables in each]


def test_runs_by_episode_have_an_interval_over_recordings_and_the_paired_t_test_over_draws():
    a, b = episodes(8, 0.8, 0.6)
    each = [[macro_f1(of) for _, of in table.groupby("episode")] for table in (a, b)]
    expected = stats.ttest_rel(*each).confidence_interval(0.9)

    found = paired_runs(a, b.drop(columns="group"), CLASSES, confidence_level=0.9)

    value = np.subtract(*each).mean()
    assert found.draws["macro_f1"] == pytest.approx((value, expected.low, expected.high))
    assert found.macro_f1.value == pytest.approx(value)
    assert found.macro_f1.low < value < found.macro_f1.high
    assert found.p_value == pytest.approx(2 ** (1 - 8))  # the least that eight episodes allow
    assert found.p_mcnemar is None


def test_a_difference_that_a_few_recordings_make_is_none_over_recordings():
    """Two recordings that one run has right in every draw say little of others."""
    a = episodes(20, 0.5)[0].reset_index(drop=True)
    b = a.copy()
    b.loc[b["group"] < 2, "predicted"] = "yak"
    a.loc[a["group"] < 2, "predicted"] = a["label"]

    found = paired_runs(a, b, CLASSES)

    assert found.draws["accuracy"].low > 0
    assert found.figures["accuracy"].low <= 0
    assert found.p_value >= 0.5


def test_the_p_value_is_the_level_whose_interval_ends_at_nought():
    draws = np.random.default_rng(0).normal(1, 0.7, 5000)
    p = inverted_p(draws, n_units=50)
    low, high = np.quantile(draws, [p / 2, 1 - p / 2])
    assert 0.05 < p < 0.4
    assert low == pytest.approx(0, abs=0.01) or high == pytest.approx(0, abs=0.01)
    assert inverted_p(draws + 9, n_units=3) == 0.25
    assert inverted_p(np.zeros(9), n_units=0) == inverted_p(np.full(3, np.nan), n_units=9) == 1


def test_a_run_does_not_differ_from_itself():
    for a in (runs(0, 0.7)[0], pd.concat(runs(n, 0.7, episode=n)[0] for n in range(4))):
        found = paired_runs(a, a, CLASSES)
        assert found.macro_f1 == found.figures["accuracy"] == (0, 0, 0)
        assert found.p_value == 1
        assert found.p_mcnemar in (1, None)


def test_swapping_the_runs_turns_the_sign_and_keeps_the_p_value():
    a, b = runs(3, 0.8, 0.7)
    there, back = paired_runs(a, b, CLASSES), paired_runs(b, a, CLASSES)
    assert there.macro_f1 == pytest.approx(
        (-back.macro_f1.value, -back.macro_f1.high, -back.macro_f1.low)
    )
    assert there.p_mcnemar == back.p_mcnemar
    assert there.p_value == pytest.approx(back.p_value, abs=0.02)  # by draws


@pytest.mark.parametrize("change", [{"clip_id": "c0"}, {"clip_id": {"c1": "new"}}])
def test_other_clips_are_refused(change):
    a, b = runs(0, 0.8, 0.7)
    b = b.assign(**change) if isinstance(change["clip_id"], str) else b.replace(change)
    with pytest.raises(ParameterError, match="not the clips of a, each once"):
        paired_runs(a, b, CLASSES)


def test_other_episodes_are_refused():
    a, b = (pd.concat(runs(n, 0.7, episode=n)[0] for n in range(many)) for many in (4, 3))
    with pytest.raises(ParameterError, match="3 episodes, not the 4 of a"):
        paired_runs(a, b, CLASSES)


def test_few_recordings_are_all_swapped():
    true, group, said = guesses(np.random.default_rng(5), (0.9, 0.3), n_groups=8)
    clips = by_recording(true, group, said)

    def gap(swap: np.ndarray) -> float:
        mixed = [np.where(swap[group], *pair) for pair in (said, said[::-1])]
        return f1_score(true, mixed[1], average="macro") - f1_score(true, mixed[0], average="macro")

    every = [gap(np.array(swap)) for swap in product([False, True], repeat=8)]
    expected = np.mean(np.abs(every) >= abs(every[0]) - 1e-12)
    assert swap_p(*(run.counts_by_part for run in clips), seed=0) == pytest.approx(expected)


def test_p_values_of_equal_systems_are_uniform():
    rng = np.random.default_rng(0)
    p_values = []
    for number in range(250):
        true, group, said = guesses(rng, (0.6, 0.6), n_groups=60)
        clips = by_recording(true, group, said)
        p_values.append(
            swap_p(*(run.counts_by_part for run in clips), n_permutations=300, seed=number)
        )
    assert stats.kstest(p_values, "uniform").pvalue > 0.05
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.08


def test_the_interval_of_a_difference_holds_it_as_often_as_it_says():
    right = (0.75, 0.6)
    true, group, said = guesses(np.random.default_rng(1), right, n_groups=100_000)
    scores = [f1_score(true, pred, average="macro") for pred in said]
    truths = {
        "macro_f1": scores[0] - scores[1],
        "accuracy": np.mean(said[0] == true) - np.mean(said[1] == true),
    }
    rng, held, n = np.random.default_rng(2), dict.fromkeys(truths, 0), 500
    for number in range(n):
        true, group, said = guesses(rng, right, n_groups=100)
        a, b = tables(true, group, said)
        found = paired_runs(a, b, CLASSES, n_bootstrap=400, n_permutations=1, seed=number).figures
        for name, truth in truths.items():
            held[name] += found[name].low <= truth <= found[name].high
    for count in held.values():
        assert 0.93 <= count / n <= 0.97


def test_equal_systems_differ_by_an_interval_that_holds_nought():
    rng, held = np.random.default_rng(4), 0
    for number in range(200):
        true, group, said = guesses(rng, (0.6, 0.6), n_groups=100)
        a, b = tables(true, group, said)
        found = paired_runs(a, b, CLASSES, n_bootstrap=300, n_permutations=1, seed=number).figures
        low, high = found["macro_f1"][1:]
        held += low <= 0 <= high
    assert 0.9 <= held / 200 <= 0.99


def test_mcnemar_by_hand():
    # 9 clips that one alone has right, 1 that the other has: 2 (C(10, 0) + C(10, 1)) / 2^10
    a = [True] * 9 + [False] + [True] * 30 + [False] * 5
    b = [False] * 9 + [True] + [True] * 30 + [False] * 5
    assert mcnemar_p(a, b) == pytest.approx(2 * 11 / 1024)
    assert mcnemar_p(b, a) == mcnemar_p(a, b)
    assert mcnemar_p(a, a) == 1


def test_holm_by_hand():
    # 0.01 x 4; 0.02 x 3; 0.03 x 2; 0.04 x 1 is raised to the one before
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.2]) == [0.2]


@given(P_VALUES)
def test_holm_lies_between_no_correction_and_bonferroni_s_in_the_same_order(p_values):
    given, found = np.array(p_values), np.array(holm(p_values))
    assert (found >= given).all()
    assert (found <= np.minimum(given * given.size, 1) + 1e-12).all()
    assert (np.diff(found[given.argsort(kind="stable")]) >= 0).all()
