"""What a model card says, and what it does not say where a model has not got it."""

from __future__ import annotations

import pytest

from faunashot.systems.card import model_card

BACKBONE = {"name": "yamnet", "version": "1", "trained_on": "AudioSet", "licence": "Apache 2.0"}
FACTS = {
    "backbone": {**BACKBONE, "citation": "Google."},
    "system": {"name": "logistic"},
    "corpus": "meadow",
    "source": "none",
    "classes": ["frog", "wren"],
    "protocol": "few_shot",
    "k": 5,
    "facts": {"learned_from": ["a", "b"]},
}
FIGURES = {
    key + end: 0.5
    for key in ("macro_f1", "accuracy", "weighted_f1")
    for end in ("", "_low", "_high")
}
UNKNOWN = {
    "threshold": -0.123456,
    "false_alarm_rate": 0.05,
    "recordings": 160,
    "background": "rain and wind of the same meadow",
}


def card(**more) -> str:
    metrics = {**FIGURES, "window": FIGURES, "clips": 90, "calibration_error": 0.04}
    facts = {**FACTS, **more}
    return " ".join(model_card(facts, metrics, corpus_licence="CC0", corpus_citation="Us.").split())


def test_a_model_that_cannot_say_unknown_says_so():
    text = card()

    assert "It answers with one of its classes for any sound" in text
    assert "unknown" not in text
    assert "Calibration error 0.04. The model that is served" in text


def test_a_model_that_can_says_how_its_threshold_was_set():
    text = card(unknown=UNKNOWN)

    assert "It answers `unknown`" in text
    assert "-0.1235" in text
    assert "5% of 160 background recordings (rain and wind of the same meadow)" in text
    assert "for any sound" not in text


def test_a_tempered_model_says_on_how_many_clips():
    text = card(temperature={"value": 1.666, "clips": 50})

    assert "0.04, at temperature 1.67, fitted on 50 clips" in text


@pytest.mark.parametrize("missing", ["macro_f1_low"])
def test_a_figure_without_interval_says_none(missing):
    assert "| macro-F1 | 0.5 | 0.5 to 0.5 | 0.5 |" in card()
