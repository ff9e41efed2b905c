"""What holds for every condition, and what each is by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from faunashot.audio.noise import Noise
from faunashot.conditions.base import CONDITIONS, asked_for, sentence_of
from faunashot.errors import ParameterError
from faunashot.evaluation.uncertainty import Interval

NOISES = ["snr_20", "snr_0", "snr_-2.5"]
ALL_ON = {"equalised": {"score": True}, "noise": {"snr_db": [20, 0, -2.5]}}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_block_that_is_left_out_has_defaults(name: str) -> None:
    kind = CONDITIONS[name]
    assert kind.__doc__
    for condition in kind.asked_for(kind.Options.read({}, key=name)):
        assert condition.name
        assert condition.perturbation([]) is None  # nothing is embedded unless it is asked for


def test_nothing_is_scored_twice_unless_it_is_asked_for() -> None:
    assert [condition.name for condition in asked_for({})] == [
        "leaking_random_folds",
        "target_only",
    ]


def test_what_is_asked_for_has_names_of_its_own() -> None:
    found = {condition.name: condition for condition in asked_for(ALL_ON)}
    assert list(found) == ["equalised", "leaking_random_folds", *NOISES, "target_only"]
    assert [c.refits for c in found.values()] == [True, True, False, False, False, True]
    assert [c.without_source for c in found.values()] == [False] * 5 + [True]
    assert [c.random_folds for c in found.values()] == [False, True] + [False] * 4


def test_perturbations_depend_on_their_options_alone() -> None:
    noises = [Noise(Path("wind.wav"), "0" * 64)]
    facts = [
        {c.name: p.facts() for c in asked_for(blocks) if (p := c.perturbation(noises))}
        for blocks in (ALL_ON, ALL_ON | {"equalised": {"score": True, "length_s": 1}})
    ]
    assert list(facts[0]) == ["equalised", "snr_20", "snr_0", "snr_-2.5"]
    assert facts[0]["equalised"] != facts[1]["equalised"]
    assert facts[0]["snr_20"] == facts[1]["snr_20"] != facts[0]["snr_0"]


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ({"equalized": {}}, "condition: unknown value 'equalized'; did you mean 'equalised'"),
        ({"noise": {"snr": [1]}}, r"conditions\.noise\.snr'; did you mean 'conditions\.noise\.sn"),
        ({"noise": {"snr_db": [1, 1.0]}}, r"conditions\.noise\.snr_db: some of"),
        ({"noise": {"snr_db": ["loud"]}}, r"conditions\.noise\.snr_db\.0: .*got 'loud'"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(blocks: dict, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        asked_for(blocks)


def test_every_condition_has_its_sentence_and_an_unknown_one_too() -> None:
    conditions = asked_for(ALL_ON)
    names = [*(condition.name for condition in conditions), "moonlight"]
    said = [sentence_of(name, conditions, Interval(0.1234, 0.1, 0.2)) for name in names]
    assert all("0.123" in text for text in said)
    assert len(set(said)) == len(said)
    assert sum("20 dB" in text for text in said) == 1
