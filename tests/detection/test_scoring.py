"""Detections against annotations: matches, figures, intervals, and what is left out and said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import average_precision_score

from faunashot.annotations.reading import EventTables
from faunashot.annotations.table import as_table
from faunashot.detection.scoring.overlap import Events, one_to_one, overlapping
from faunashot.detection.scoring.score import ALL, MACRO, NOTHING, Scored, score
from faunashot.detection.scoring.sides import label_notes
from faunashot.detection.scoring.tally import Figures, Tally, average_precision
from faunashot.errors import AnnotationError, ParameterError


def tables(rows: list[tuple], *, silent: tuple[str, ...] = ()) -> EventTables:
    """Events of (file, start, end, label[, score])."""
    table = as_table(
        {"file": row[0], "start_s": row[1], "end_s": row[2], "label": row[3],
         "score": row[4] if len(row) > 4 else np.nan}
        for row in rows
    )  # fmt: skip
    return EventTables(table, sorted({*table["file"], *silent}))


def row_of(found: Scored, name: str) -> dict:
    return next(row for row in found.rows if row["name"] == name)


TRUTH = tables([("a", 0, 4, "frog"), ("a", 10, 14, "owl"), ("b", 0, 4, "frog")], silent=("c",))
FOUND = tables(
    [
        ("a", 1, 4, "frog", 0.9),  # 3 of 4 s
        ("a", 10, 14, "frog", 0.8),  # an owl
        ("b", 3, 7, "frog", 0.7),  # 1 of 7 s
        ("c", 5, 8, "owl", 0.6),  # nothing there
    ]
)


def test_counts_figures_and_confusion() -> None:
    found = score(FOUND, TRUTH, duration_s=dict.fromkeys("abc", 1800.0), n_bootstrap=50)
    every = row_of(found, ALL)
    assert [every[name] for name in ("annotated", "found", "detected", "right")] == [3, 1, 4, 1]
    assert (every["precision"], every["recall"], every["f1"]) == (0.25, 1 / 3, pytest.approx(2 / 7))
    assert every["false_alarms_per_hour"] == pytest.approx(3 / 1.5)
    assert every["recall_low"] < every["recall"] < every["recall_high"]
    frog, owl = row_of(found, "frog"), row_of(found, "owl")
    assert (frog["precision"], frog["recall"], frog["f1"]) == (1 / 3, 0.5, pytest.approx(0.4))
    assert (owl["precision"], owl["recall"], owl["f1"]) == (0.0, 0.0, 0.0)
    assert row_of(found, MACRO)["recall"] == 0.25
    assert found.confusion.loc["owl", "frog"] == 1
    assert found.confusion.loc[NOTHING].tolist() == [1, 1, 0]
    assert found.confusion.loc["frog", NOTHING] == 1
    assert found.confusion.to_numpy().sum() == 3 + 2
    files = [row for row in found.rows if row["of"] == "file"]
    assert [(row["name"], row["annotated"], row["detected"]) for row in files] == [
        ("a", 2, 2), ("b", 1, 1), ("c", 0, 1),
    ]  # fmt: skip
    assert files[2]["recall"] is None


def test_the_least_overlap_and_what_is_compared() -> None:
    for criterion, least, right in (
        ("iou", 0.75, 1), ("iou", 0.76, 0), ("iou", 0.14, 2), ("covered", 0.25, 2), ("any", 0.5, 2),
    ):  # fmt: skip
        found = score(FOUND, TRUTH, criterion=criterion, least=least, n_bootstrap=2)
        assert row_of(found, "frog")["right"] == right, (criterion, least)
    with pytest.raises(ParameterError, match="least overlap: 0; needs"):
        score(FOUND, TRUTH, least=0)


def test_windows_of_one_song_are_right_by_any_overlap() -> None:
    windows = tables([("a", n, n + 3, "owl", 0.5) for n in (9, 12, 15, 18)])
    song = tables([("a", 10, 20, "owl")])
    by_any = score(windows, song, criterion="any", n_bootstrap=2)
    every = row_of(by_any, ALL)
    assert (every["right"], every["precision"], every["found"], every["recall"]) == (4, 1, 1, 1)
    assert row_of(by_any, "owl")["average_precision"] == 1
    by_iou = row_of(score(windows, song, criterion="iou", least=0.1, n_bootstrap=2), ALL)
    assert (by_iou["right"], by_iou["found"]) == (1, 1)


def test_the_highest_score_chooses_first_or_as_many_as_can_be() -> None:
    truth = tables([("a", 0, 4, "frog"), ("a", 3, 7, "frog")])
    found = tables([("a", 0, 7, "frog", 0.9), ("a", 3, 7, "frog", 0.1), ("a", 0, 3, "frog", 0.05)])
    greedy = score(found, truth, least=0.5, n_bootstrap=2)
    assert row_of(greedy, ALL)["right"] == 2
    first = tables([("a", 2, 6, "frog", 0.9), ("a", 0, 4, "frog", 0.1)])
    crossed = tables([("a", 1, 5, "frog"), ("a", 4.5, 7.5, "frog")])
    assert row_of(score(first, crossed, least=0.2, n_bootstrap=2), ALL)["right"] == 1
    optimal = score(first, crossed, least=0.2, matching="optimal", n_bootstrap=2)
    assert row_of(optimal, ALL)["right"] == 2


SPANS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 8)), min_size=0, max_size=12
)


def events(spans: list[tuple[int, int, int]]) -> Events:
    group, start, length = np.array(spans, dtype=np.int64).reshape(-1, 3).T
    return Events(group, start.astype(float), (start + length).astype(float))


@settings(deadline=None, max_examples=50)
@given(SPANS, SPANS, st.sampled_from([0.1, 0.5, 1.0]))
def test_pairs_are_those_of_comparing_all_with_all(
    found: list[tuple[int, int, int]], truth: list[tuple[int, int, int]], least: float
) -> None:
    pairs = overlapping(events(found), events(truth), least=least)
    expected = set()
    for d, (group, start, length) in enumerate(found):
        for a, (other, begin, long) in enumerate(truth):
            shared = min(start + length, begin + long) - max(start, begin)
            if group == other and shared > 0 and shared / (length + long - shared) >= least - 1e-12:
                expected.add((d, a))
    assert set(zip(pairs.detection.tolist(), pairs.annotation.tolist(), strict=True)) == expected
    scores = np.arange(len(found), dtype=float)
    for matching in ("greedy", "optimal"):
        kept = one_to_one(pairs, scores, len(truth), matching=matching)
        assert len({*kept.detection.tolist()}) == len(kept.detection)
        assert len({*kept.annotation.tolist()}) == len(kept.annotation)
    possible = np.zeros((len(found), len(truth)))
    possible[pairs.detection, pairs.annotation] = 1
    rows, columns = linear_sum_assignment(possible, maximize=True)
    assert len(kept.detection) == possible[rows, columns].sum()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_average_precision_is_scikit_learns_where_all_is_detected(
    rows: list[tuple[int, bool]],
) -> None:
    scores = np.array([float(score) for score, _ in rows])
    right = np.array([is_right for _, is_right in rows])
    if right.any():
        found = average_precision(scores, right, int(right.sum()))
        assert found == pytest.approx(average_precision_score(right, scores))
        missed = average_precision(scores, right, 2 * int(right.sum()))
        assert missed == pytest.approx(found / 2)


def test_figures_of_a_draw_are_those_of_the_recordings_drawn() -> None:
    rng = np.random.default_rng(0)
    n, m, recordings, labels = 300, 200, 6, 3
    tally = Tally(
        rng.integers(0, recordings, n), rng.integers(0, labels, n),
        rng.integers(0, recordings, m), rng.integers(0, labels, m),
        rng.uniform(size=n).round(2), rng.random(n) < 0.5, rng.integers(0, 2, n).astype(float),
        rng.random(m) < 0.5,
        np.full(recordings, 600.0), labels,
    )  # fmt: skip
    some = np.array([1, 4])
    times = np.zeros((1, recordings))
    times[0, some] = 1
    drawn, alone = Figures(tally)(times), Figures(tally.within(some))(np.ones((1, 2)))
    assert drawn.keys() == {
        "precision", "recall", "f1", "average_precision", "false_alarms_per_hour",
    }  # fmt: skip
    for name, of in drawn.items():
        np.testing.assert_allclose(of, alone[name])


@pytest.mark.parametrize("n", [40, 3])
def test_intervals_of_few_recordings_are_wider_than_of_events(n: int) -> None:
    """Recordings in which all is found or nothing: events of one are right together."""
    truth = tables([(f"r{r}", 10 * i, 10 * i + 4, "owl") for r in range(n) for i in range(10)])
    half = [row for row in truth.events.itertuples(index=False) if int(row.file[1:]) % 2]
    found = tables([(row.file, row.start_s, row.end_s, "owl", 0.5) for row in half])
    every = row_of(score(found, truth, n_bootstrap=500), ALL)
    by_event = 2 * 1.96 * np.sqrt(0.25 / (10 * n))
    assert every["recall_high"] - every["recall_low"] > 2 * by_event
    assert every["precision"] == 1


def test_one_recording_has_no_interval() -> None:
    one = tables([("a", 0, 4, "frog", 0.5)])
    every = row_of(score(one, one), ALL)
    assert (every["recall"], every["recall_low"]) == (1.0, None)


def test_recordings_without_annotations_are_said_and_left_out_or_taken() -> None:
    extra = tables([*FOUND.events[["file", "start_s", "end_s", "label", "score"]].itertuples(
        index=False, name=None), ("d", 0, 3, "frog", 0.9)])  # fmt: skip
    left = score(extra, TRUTH, n_bootstrap=2)
    assert "d: no annotations, left out; `--all` takes it as annotated with nothing" in left.notes
    assert row_of(left, ALL)["detected"] == 4
    taken = score(extra, TRUTH, all_recordings=True, n_bootstrap=2)
    assert (taken.recordings, row_of(taken, ALL)["detected"]) == (4, 5)


def test_an_annotated_recording_without_detections_is_missed_and_said() -> None:
    found = score(tables([("a", 1, 4, "frog", 0.9)]), TRUTH, n_bootstrap=2)
    assert row_of(found, ALL)["annotated"] == 3
    assert any(
        note.startswith("b and 1 more recordings: annotated, but no") for note in found.notes
    )


def test_no_common_recording_is_one_line_with_names_of_both() -> None:
    with pytest.raises(AnnotationError, match=r"no recording is on both sides: .* x, .* a, "):
        score(tables([("x", 0, 1, "frog")]), TRUTH)


def test_what_cannot_be_scored_is_said() -> None:
    truth = tables(
        [("a", 0, 4, "frog"), ("a", 5, 5, "frog"), ("a", 8, 9, ""), ("a", 97, 103, "frog"),
         ("a", 100, 104, "frog"), ("a", 99.9, 100.2, "frog")]
    )  # fmt: skip
    found = score(FOUND, truth, duration_s={"a": 100.0}, n_bootstrap=2)
    assert found.notes[1:] == [
        "a: 1 annotations begin after its end, left out (it is 100 s long)",
        "a: 1 annotations end after it, cut off (it is 100 s long)",
        "1 annotations have no label: left out",
        "1 annotations have no length: left out; `--overlap any` scores them",
    ]
    assert row_of(found, "frog")["annotated"] == 3
    any_ = score(FOUND, truth, criterion="any", n_bootstrap=2)
    assert row_of(any_, "frog")["annotated"] == 5


def test_a_point_is_found_by_any_overlap() -> None:
    truth = tables([("a", 2, 2, "frog"), ("a", 9, 9, "frog")])
    every = row_of(score(FOUND, truth, criterion="any", n_bootstrap=2), ALL)
    assert (every["found"], every["annotated"], every["right"]) == (1, 2, 1)


def test_labels_of_one_side_are_said_and_likely_ones_suggested() -> None:
    assert label_notes({"tawny_owl", "bat", "frog"}, {"Tawny  Owl", "fox", "frog"}) == [
        "'tawny_owl' is detected and 'Tawny  Owl' annotated: if they are the same, give a map with "
        "the line tawny_owl,Tawny  Owl (--labels map.csv)",
        "annotated, but never detected: 'fox'",
        "detected, but never annotated, all false alarms: 'bat'",
    ]
    renamed = score(tables([("a", 0, 4, "Rana", 0.5)]), TRUTH, labels={"Rana": "frog"})
    assert row_of(renamed, "frog")["right"] == 1


def test_several_models_are_not_mixed() -> None:
    both = EventTables(
        pd.concat([FOUND.events.assign(model=m) for m in ("A", "B")], ignore_index=True), [*"abc"]
    )
    with pytest.raises(ParameterError, match="detections of 2 models, A, B: name one with --model"):
        score(both, TRUTH)
    assert row_of(score(both, TRUTH, model="B", n_bootstrap=2), ALL)["detected"] == 4
    with pytest.raises(ParameterError, match="model: unknown value 'C'"):
        score(both, TRUTH, model="C")


def test_a_threshold_leaves_out_lower_scores() -> None:
    assert row_of(score(FOUND, TRUTH, threshold=0.8, n_bootstrap=2), ALL)["detected"] == 2


def test_without_scores_there_is_no_average_precision() -> None:
    found = score(tables([("a", 1, 4, "frog")]), TRUTH, n_bootstrap=2)
    assert row_of(found, "frog")["average_precision"] is None
    assert "detections without scores: no average precision" in found.notes


def test_nothing_detected_and_nothing_annotated() -> None:
    none = tables([], silent=("a", "b"))
    missed = row_of(score(none, TRUTH, n_bootstrap=2), ALL)
    assert (missed["precision"], missed["recall"], missed["f1"]) == (None, 0.0, 0.0)
    quiet = score(FOUND, tables([], silent=("a", "c")), n_bootstrap=2)
    alarms = row_of(quiet, ALL)
    assert (alarms["precision"], alarms["recall"], alarms["detected"]) == (0.0, None, 3)


def test_sites_have_rows(tmp_path: Path) -> None:
    names = [f"{site}_2023051{day}_043000.wav" for site in ("POND", "REED") for day in (1, 2, 3)]
    truth = tables([(name, 0, 4, "frog") for name in names])
    found = tables([(name, 0, 4, "frog", 0.5) for name in names if name[0] == "P"])
    rows = [row for row in score(found, truth, n_bootstrap=20).rows if row["of"] == "site"]
    assert [(row["name"], row["recall"]) for row in rows] == [("POND", 1.0), ("REED", 0.0)]
