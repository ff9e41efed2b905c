"""What a model card says, and what it does not say where a model has not got it."""

from __future__ import annotations

import pytest

from faunashot.evaluation.metrics import titles
from faunashot.systems.card import model_card
from faunashot.systems.record import TrainedSystem

YAMNET = {
    "name": "yamnet",
    "version": "1",
    "options": {},
    "weights_hash": "0" * 64,
    "trained_on": "AudioSet",
    "licence": "Apache 2.0",
    "citation": "Google.",
}
BIRDNET = {
    "name": "birdnet",
    "version": "2.4",
    "options": {},
    "weights_hash": "0" * 64,
    "trained_on": "birds",
    "licence": "CC BY-NC-SA 4.0",
    "citation": "Kahl et al.",
}
FACTS = {
    "backbones": [YAMNET],
    "system": {"name": "logistic"},
    "corpus": "meadow",
    "source": "none",
    "classes": ["frog", "wren"],
    "protocol": "few_shot",
    "k": 5,
    "estimator": "head",
    "learned_from": ["a", "b"],
}
FIGURES = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "map": "mAP",
    "calibration_error": "calibration error",
}
OF_WINDOWS = dict.fromkeys(("macro_f1", "accuracy", "weighted_f1"), 0.25)
METRICS = {
    **{key + end: 0.5 for key in FIGURES for end in ("", "_low", "_high")},
    "window": OF_WINDOWS,
    "clips": 90,
}
UNKNOWN = {
    "threshold": -0.123456,
    "false_alarm_rate": 0.05,
    "recordings": 160,
    "background": "rain and wind of the same meadow",
}


def card(*, metrics: dict | None = None, **more) -> str:
    record = TrainedSystem.model_validate({**FACTS, **more})
    figures = METRICS | (metrics or {})
    text = model_card(
        record,
        figures,
        system="yamnet-logistic",
        titles=titles(figures),
        corpus_licence="CC0",
        corpus_citation="Us.",
    )
    return " ".join(text.split())


def test_a_card_says_what_was_scored_and_how() -> None:
    text = card()
    assert text.startswith("# yamnet-logistic on meadow Recognises 2 classes: frog, wren.")
    assert "Protocol `few_shot`, k = 5 labelled clips a class, 90 clips scored" in text
    assert "- Corpus meadow: CC0. Us." in text


def test_every_figure_has_its_interval_and_that_of_windows_where_there_is_one() -> None:
    text = card(metrics={"map_low": 0.25, "map_high": 0.75})
    assert "| macro-F1 | 0.5000 | 0.5000 to 0.5000 | 0.2500 |" in text
    assert "| mAP | 0.5000 | 0.2500 to 0.7500 | |" in text
    assert "| calibration error | 0.5000 | 0.5000 to 0.5000 | |" in text
    assert text.count("0.5000 to 0.5000") == len(FIGURES) - 1


def test_a_card_names_both_intervals_where_labelled_clips_were_drawn() -> None:
    text = card(metrics={"map_draws_low": 0.4, "map_draws_high": 0.6})
    assert "| | clips | 95 % interval | draws alone | windows |" in text
    assert "| mAP | 0.5000 | 0.5000 to 0.5000 | 0.4000 to 0.6000 | |" in text
    assert "draws alone: with other labelled clips only, scored on the same recordings." in text
    assert "draws alone" not in card()


def test_joined_backbones_are_both_named_with_their_licences() -> None:
    text = card(backbones=[YAMNET, BIRDNET])
    assert "- Backbone yamnet 1: AudioSet. Licence: Apache 2.0. Google." in text
    assert "- Backbone birdnet 2.4: birds. Licence: CC BY-NC-SA 4.0. Kahl et al." in text


def test_a_card_says_what_the_served_model_learned_from() -> None:
    assert "fitted once more, on 2 clips of the corpus `meadow`; the figures" in card()
    beside = card(source="gtzan")
    assert "on 2 clips of the corpus `meadow`, beside the corpus `gtzan`; the figures" in beside
    assert "on no clip of the corpus `meadow`; the figures" in card(learned_from=[])


def test_a_model_that_cannot_say_unknown_says_so() -> None:
    text = card()

    assert "It answers with one of its classes for any sound" in text
    assert "unknown" not in text


def test_a_model_that_can_says_how_its_threshold_was_set() -> None:
    text = card(unknown=UNKNOWN)

    assert "It answers `unknown`" in text
    assert "-0.1235" in text
    assert "5% of 160 background recordings (rain and wind of the same meadow)" in text
    assert "for any sound" not in text


def test_a_tempered_model_says_on_how_many_clips() -> None:
    text = card(temperature={"value": 1.666, "clips": 50})

    assert "at temperature 1.67, fitted on 50 clips that the head had not learned from." in text
    assert "temperature" not in card()


@pytest.mark.parametrize("missing", ["macro_f1", "calibration_error"])
def test_a_figure_without_interval_says_none(missing: str) -> None:
    text = card(metrics={f"{missing}_low": None, f"{missing}_high": None})
    assert f"| {FIGURES[missing]} | 0.5000 | none | " in text
    assert text.count("| none |") == 1


def test_a_network_is_said_to_cost_what_it_does() -> None:
    text = card(cost={"parameters": 531_626, "macs": 8_192_640})
    assert "a network of 531,626 parameters, which takes 8.2 million multiply-adds" in text
    assert "multiply-adds" not in card()
