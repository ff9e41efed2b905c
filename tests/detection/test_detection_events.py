"""Events out of window scores: what holds whatever the scores are, and plain cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faunashot.detection.events import EventFinder
from faunashot.detection.settings import DetectionSettings, parse_thresholds
from faunashot.errors import ParameterError
from faunashot.recogniser import WindowScores
from faunashot.systems.record import BackboneRecord, ClassThreshold, TrainedSystem

CLASSES = ["frog", "wren"]
HOP_S, WINDOW_S = 0.48, 0.96


def windows(scores, *, unknown=None, missing=()) -> WindowScores:
    """Scores of windows on YAMNet's grid, but for some that are missing."""
    scores = np.asarray(scores, dtype=float).reshape(-1, len(CLASSES))
    kept = np.setdiff1d(np.arange(len(scores)), missing)
    start_s = kept * HOP_S
    unknown = None if unknown is None else np.asarray(unknown, dtype=float)[kept]
    return WindowScores(start_s, start_s + WINDOW_S, scores[kept], unknown)


def part(found: WindowScores, at: slice) -> WindowScores:
    unknown = None if found.unknown_score is None else found.unknown_score[at]
    return WindowScores(found.start_s[at], found.end_s[at], found.scores[at], unknown)


def events(found: WindowScores, *, cuts=(), threshold=0.5, **how) -> pd.DataFrame:
    thresholds = np.full(len(CLASSES), threshold)
    finder = EventFinder(CLASSES, thresholds, DetectionSettings(**how), unknown_threshold=0.0)
    for begin, end in zip([0, *cuts], [*cuts, len(found.start_s)], strict=True):
        finder.add(part(found, slice(begin, end)))
    return finder.finish()


@st.composite
def recordings(draw) -> tuple[WindowScores, list[int]]:
    """Scores with some windows missing, and where they are cut into parts."""
    n = draw(st.integers(0, 40))
    levels = st.sampled_from([0.0, 0.2, 0.3, 0.5, 0.6, 1.0])
    scores = draw(arrays(float, (n, len(CLASSES)), elements=levels))
    unknown = draw(arrays(float, n, elements=st.sampled_from([-1.0, 1.0])))
    missing = draw(st.lists(st.integers(0, max(0, n - 1)), max_size=5))
    found = windows(scores, unknown=unknown, missing=missing)
    cuts = draw(st.lists(st.integers(0, len(found.start_s)), max_size=4))
    return found, sorted(cuts)


HOW = st.fixed_dictionaries(
    {
        "go_on": st.sampled_from([0.0, 0.5, 1.0]),
        "gap_s": st.sampled_from([0.0, 0.5, 2.0]),
        "min_s": st.sampled_from([0.0, 1.0]),
        "unknown": st.sampled_from(["events", "suppress", "ignore"]),
    }
)


@settings(max_examples=150, deadline=None)
@given(recordings(), HOW)
def test_parts_give_what_the_whole_gives(recording, how) -> None:
    found, cuts = recording
    pd.testing.assert_frame_equal(events(found, cuts=cuts, **how), events(found, **how))


@settings(max_examples=150, deadline=None)
@given(recordings(), HOW)
def test_events_keep_what_they_promise(recording, how) -> None:
    found, _ = recording
    table = events(found, **how)
    assert table["start_s"].is_monotonic_increasing
    assert ((table["end_s"] - table["start_s"]) >= how["min_s"] - 1e-6).all()
    assert (table["score"] >= 0.5).all()  # each reaches the threshold, and goes on no lower
    assert (table["mean_score"] >= 0.5 * how["go_on"] - 1e-9).all()
    assert (table["mean_score"] <= table["score"] + 1e-9).all()
    for label, of in table.groupby("label"):
        between = of["start_s"].to_numpy()[1:] - of["end_s"].to_numpy()[:-1]
        assert (between > how["gap_s"]).all()
        assert (of["taken_for"].isin(CLASSES) == (label == "unknown")).all()
    if how["unknown"] != "events":
        assert "unknown" not in set(table["label"])


@settings(max_examples=100, deadline=None)
@given(recordings(), HOW)
def test_every_window_that_reaches_the_threshold_is_in_an_event(recording, how) -> None:
    found, _ = recording
    table = events(found, **{**how, "min_s": 0.0})
    if how["unknown"] == "suppress":
        return  # whole events are left out
    for column, label in enumerate(CLASSES):
        of = table[table["label"] == label]
        if how["unknown"] == "events":
            of = table[table["label"].isin([label, "unknown"])]
        for at in np.flatnonzero(found.scores[:, column] >= 0.5):
            covers = (of["start_s"] <= found.start_s[at]) & (of["end_s"] >= found.end_s[at])
            assert covers.sum() >= 1
            assert (of.loc[covers, "label"] == label).sum() <= 1


@settings(max_examples=100, deadline=None)
@given(recordings(), HOW)
def test_merging_what_is_merged_changes_nothing(recording, how) -> None:
    """Events as windows of their own, all over the threshold, are the same events again."""
    found, _ = recording
    table = events(found, **how)
    for column, label in enumerate(CLASSES):
        of = table[table["label"] == label]
        scores = np.zeros((len(of), len(CLASSES)))
        scores[:, column] = of["score"]
        again = WindowScores(of["start_s"].to_numpy(), of["end_s"].to_numpy(), scores)
        kept = ["label", "start_s", "end_s", "score"]
        same = events(again, **how)[kept]
        pd.testing.assert_frame_equal(same, of[kept].reset_index(drop=True))


def frogs(*scores: float, **how) -> list[tuple[float, float, float]]:
    table = events(windows([(score, 0.0) for score in scores]), **how)
    assert set(table["label"]) <= {"frog"}
    rows = table[["start_s", "end_s", "score"]].round(6)
    return list(rows.itertuples(index=False, name=None))


def test_an_event_goes_on_while_the_score_wavers() -> None:
    wavering = 0.3, 0.9, 0.3, 0.3, 0.6, 0.1
    assert frogs(*wavering) == [(0.0, 2.88, 0.9)]
    assert frogs(*wavering, go_on=1) == [(0.48, 1.44, 0.9), (1.92, 2.88, 0.6)]
    assert frogs(0.3, 0.4, 0.3) == []


def test_events_close_together_are_one_and_short_ones_are_left_out() -> None:
    apart = 0.9, 0, 0, 0.8
    assert frogs(*apart) == [(0.0, 0.96, 0.9), (1.44, 2.4, 0.8)]
    assert frogs(*apart, gap_s=0.5) == [(0.0, 2.4, 0.9)]
    assert frogs(*apart, min_s=1) == []
    assert frogs(*apart, gap_s=0.5, min_s=1) == [(0.0, 2.4, 0.9)]  # merged first


def test_an_event_does_not_reach_over_audio_that_is_missing() -> None:
    found = windows([(0.9, 0.0)] * 8, missing=[2, 3, 4])
    spans = events(found)[["start_s", "end_s"]].round(6).to_numpy().tolist()
    assert spans == [[0.0, 1.44], [2.4, 4.32]]


def test_what_is_like_nothing_learned_is_unknown_or_nothing() -> None:
    scores = [(0.9, 0.1), (0.9, 0.1), (0.2, 0.8), (0.1, 0.1)]
    found = windows(scores, unknown=[-1, 1, 1, 1])
    table = events(found)
    assert table["label"].tolist() == ["frog", "unknown"]  # one window of the first is like a frog
    assert table["taken_for"].tolist() == ["", "wren"]
    assert table["end_s"].round(6).tolist() == [1.44, 1.92]
    assert events(found, unknown="suppress")["label"].tolist() == ["frog"]
    assert events(found, unknown="ignore")["label"].tolist() == ["frog", "wren"]


def record(**thresholds: float) -> TrainedSystem:
    own = {
        name: ClassThreshold(value=value, source="validation", n=9)
        for name, value in thresholds.items()
    }
    backbone = BackboneRecord(name="yamnet", options={}, weights_hash="")
    return TrainedSystem(estimator="head", backbones=[backbone], classes=CLASSES, thresholds=own)


def test_thresholds_are_the_user_s_then_the_model_s() -> None:
    def of(*written: str) -> list[float]:
        chosen = DetectionSettings(thresholds=parse_thresholds(written))
        return chosen.of_classes(record(wren=0.7)).tolist()

    assert of() == [0.5, 0.7]
    assert of("0.2") == [0.2, 0.2]
    assert of("frog=0.3") == [0.3, 0.7]
    assert of("0.2", "wren=0.9") == [0.2, 0.9]


@pytest.mark.parametrize("written", ["frog", "frog=2", "frog=x", "-1", "nan"])
def test_a_threshold_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ParameterError, match="needs a number from 0 to 1"):
        parse_thresholds([written])


def test_a_threshold_of_no_class_is_refused() -> None:
    chosen = DetectionSettings(thresholds=parse_thresholds(["frgo=0.3"]))
    with pytest.raises(ParameterError, match="did you mean 'frog'"):
        chosen.refuse_unknown_classes([record()])
