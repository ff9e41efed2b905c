"""The report page: every figure it is given, whatever the conditions are called."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest

from faunashot.conditions.base import asked_for, sentence_of
from faunashot.evaluation.uncertainty import Interval
from faunashot.reporting.findings import of_data, of_figures
from faunashot.reporting.page import report_page

ROW = {
    "macro_f1": 0.61,
    "macro_f1_low": 0.52,
    "macro_f1_high": 0.73,
    "difference": 0.17,
    "difference_low": 0.08,
    "difference_high": 0.26,
    "p_value": 0.034,
}
METRICS = {
    "macro_f1": 0.78,
    "macro_f1_low": None,
    "macro_f1_high": None,
    "rarity": 3.5,
    "rarity_low": 3.25,
    "rarity_high": 3.75,
    "window": {"macro_f1": 0.55},
    "k": 5,
    "clips": 180,
    "classes": 1,
    "per_class": {
        "<owl>": {
            **dict.fromkeys(("precision", "recall", "f1", "f1_low", "f1_high"), 0.875),
            "support": 72,
        }
    },
}
CONDITIONS = asked_for({"equalised": {"score": True}, "noise": {"snr_db": [-5]}})
CURVE = pd.DataFrame(
    {"k": [1, 5], "runs": 20, "macro_f1": [0.6, 0.78], "macro_f1_low": None, "macro_f1_high": None}
)


def page(throughput: Mapping[str, object] | None = None, **more: object) -> str:
    metrics = {**METRICS, **more}
    return report_page(
        title="birdnet on demo",
        lead="few_shot",
        figures=metrics,
        curve=CURVE,
        pictures=[],
        sentences=of_figures(metrics, CONDITIONS),
        findings=["one & all"],
        licence="MIT",
        throughput=throughput,
    )


def test_every_metric_has_a_row_and_one_without_interval_says_so() -> None:
    shown = page()
    row = "<tr><td>macro-F1</td><td>0.7800</td><td>none</td><td>0.5500</td></tr>"
    assert row in shown
    assert "<tr><td>rarity</td><td>3.5000</td><td>3.2500 to 3.7500</td><td></td></tr>" in shown
    assert "<tr><td>5</td><td>0.7800</td><td>none</td><td>20</td></tr>" in shown


def test_both_intervals_stand_side_by_side_and_are_named_in_a_sentence() -> None:
    ends = dict.fromkeys(("macro_f1_low", "rarity_draws_low"), 0.7)
    ends |= dict.fromkeys(("macro_f1_high", "rarity_draws_high"), 0.86)
    shown = page(**ends, macro_f1_draws_low=0.76, macro_f1_draws_high=0.8)
    row = "<td>0.7800</td><td>0.7000 to 0.8600</td><td>0.7600 to 0.8000</td>"
    assert f"<td>macro-F1</td>{row}" in shown
    assert "<th>95 % interval</th><th>draws alone</th>" in shown
    assert "other labelled clips to learn from; draws alone: with other labelled clips" in shown
    alone = page(**ends)
    assert "draws alone" not in alone
    assert "95 % interval: where the figure would lie with other recordings to score." in alone


def test_every_class_has_a_row_and_names_are_escaped() -> None:
    shown = page()
    assert "<td>&lt;owl&gt;</td><td>0.8750</td>" in shown
    assert "one &amp; all" in shown
    assert "<owl>" not in shown


@pytest.mark.parametrize("name", ["equalised", "target_only", "snr_-5", "reverb", "snr", "a_b_c"])
def test_every_condition_gives_its_numbers(name: str) -> None:
    (sentence,) = of_figures({"conditions": {name: ROW}}, CONDITIONS)
    for number in ("+0.170", "0.6100", "0.0800 to 0.2600", "p = 0.0340"):
        assert number in sentence
    assert sentence in page(conditions={name: ROW})


def test_conditions_have_sentences_of_their_own() -> None:
    names = ("equalised", "target_only", "snr_-5", "reverb")
    sentences = {sentence_of(name, CONDITIONS, Interval(-0.02, None, None)) for name in names}
    assert len(sentences) == 4
    assert all("-0.020" in sentence for sentence in sentences)
    assert "-5 dB" in sentence_of("snr_-5", CONDITIONS, Interval(0.1, 0.0, 0.2))
    assert "reverb" in sentence_of("reverb", CONDITIONS, Interval(0.1, 0.0, 0.2))


def test_a_condition_without_interval_or_p_value_is_no_obstacle() -> None:
    bare = {**ROW, "difference_low": None, "difference_high": None, "p_value": None}
    (sentence,) = of_figures({"conditions": {"equalised": bare}}, CONDITIONS)
    assert "none" in sentence
    (sentence,) = of_figures({"conditions": {"reverb": dict.fromkeys(ROW)}}, CONDITIONS)
    assert "reverb" in sentence


def test_leaking_folds_are_told_as_such_with_what_is_gained() -> None:
    leaking = {"leaking_random_folds": {**ROW, "difference": -0.06}}
    (sentence,) = of_figures({"conditions": leaking}, CONDITIONS)
    assert sentence.startswith("+0.060 of macro-F1 would be gained by random folds, which leak")


def test_foreground_and_background_have_a_row_each_where_they_are_known() -> None:
    row = {"clips": 12, "macro_f1": 0.9, "macro_f1_low": 0.8, "macro_f1_high": 0.95}
    shown = page(salience={"background": {**row, "macro_f1": 0.5}, "foreground": row})
    assert "<td>foreground</td><td>12</td><td>0.9000</td><td>0.8000 to 0.9500</td>" in shown
    assert "<td>background</td><td>12</td><td>0.5000</td>" in shown
    assert "Foreground" not in page()


def test_what_a_part_of_a_corpus_lacks_is_told() -> None:
    found = {"clips": 2, "duration_s": 8.0, "clips_a_class": {"owl": 2}, "bad": [], "flagged": []}
    audited = {
        **{name: [] for name in ("exact_duplicates", "near_duplicates", "crossing")},
        **{name: [] for name in ("conflicts", "across_corpora")},
        "shortcuts": {"skipped": "one class"},
    }
    whole, part = (
        of_data({"urban": {**found, **lack}}, audited)
        for lack in ({"missing": 0, "missing_folds": []}, {"missing": 3, "missing_folds": ["9"]})
    )
    assert set(part) - set(whole) == {
        "urban: files that its table lists and that are not there: 3; folds without a good clip: 9"
    }


def test_leakage_and_the_unknown_give_their_numbers() -> None:
    leak = {"grouped": 0.89, "leaking": 0.95, "worth": 0.06, "worth_low": 0.01, "worth_high": 0.1}
    unknown = {"auroc": 0.97, "auroc_low": 0.9, "auroc_high": 0.99, "false_alarms_at_recall": 0.125}
    of_leak, of_unknown = of_figures({"leak": leak, "unknown": unknown}, CONDITIONS)
    assert all(number in of_leak for number in ("+0.0600", "0.0100 to 0.1000", "0.9500", "0.8900"))
    assert all(number in of_unknown for number in ("0.9700", "0.9000 to 0.9900", "12.5 %"))
    assert of_figures({"leak": None}, CONDITIONS) == []


def test_what_was_found_in_the_data_is_a_line_each() -> None:
    ingested = {
        "demo": {
            "clips": 18,
            "clips_a_class": {"owl": 8, "cat": 10},
            "duration_s": 120.0,
            "bad": [{"path": "a.wav", "reason": "empty file"}],
            "flagged": [],
        }
    }
    audited = {
        **{k: [] for k in ("near_duplicates", "crossing", "conflicts", "across_corpora")},
        "exact_duplicates": [["a", "b"]],
        "shortcuts": {"skipped": "one class"},
    }
    lines = of_data(ingested, audited)
    assert "18 clips good, 8 to 10 a class, 2.0 minutes; 1 bad" in lines[0]
    assert lines[1] == "bad: a.wav: empty file"
    assert lines[2].startswith("1 groups of exact duplicates")
    assert lines[3].endswith("one class")


def test_what_it_took_is_told_as_far_as_it_was_measured() -> None:
    costs = {"windows_per_s": {"yamnet": 1234.56}, "training_s": 61.04}
    costs |= {"peak_memory_mb": {"train": 1440}, "parameters": 3751369}
    text = page(throughput=costs)
    assert "embedding by yamnet: 1,234.6 windows a second" in text
    assert "learning and scoring: 61.0 s" in text
    assert "peak memory of the stage train: 1,440 MB" in text
    assert "parameters of the network: 3,751,369" in text
    assert "What it took" not in page()
    assert "parameters of" not in page(throughput={**costs, "parameters": None})
