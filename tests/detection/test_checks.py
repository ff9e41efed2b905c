"""Detections that are checked by ear: how many, which, and what they say."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from faunashot.annotations.table import as_table
from faunashot.detection.validation.clips import cut_clips, with_clips, write_raven_table
from faunashot.detection.validation.drawing import Drawn, allocated, draw_checks, strata_of
from faunashot.detection.validation.figure import precision_figure
from faunashot.detection.validation.fitting import checked_classes, table_of
from faunashot.detection.validation.folder import read_answers, read_facts, write_draw
from faunashot.detection.validation.planning import Expected
from faunashot.detection.validation.thresholds import copy_with_thresholds
from faunashot.errors import AnnotationError, ParameterError, StoreError
from faunashot.systems.record import BackboneRecord, ClassThreshold, TrainedSystem

AWKWARD = 'owl, "great"\tgrey'


@pytest.fixture(scope="module")
def events() -> pd.DataFrame:
    """Detections of two classes in three recordings."""
    rng = np.random.default_rng(0)
    rows = [
        {"file": f"night/{n % 3}.wav", "start_s": n / 2, "end_s": n / 2 + 1, "label": label}
        for label, size in ((AWKWARD, 400), ("wren", 30))
        for n in range(size)
    ]
    return as_table(pd.DataFrame(rows).assign(score=rng.random(len(rows)).round(4)))


@pytest.fixture(scope="module")
def drawn(events) -> Drawn:
    return draw_checks(events, 40, seed=1)


def test_strata_hold_half_of_what_lies_below_the_next(events, drawn):
    of_owl = [one for one in drawn.strata if one.label == AWKWARD]
    assert [one.detections for one in of_owl] == [200, 100, 50, 25, 25]
    assert [one.checks for one in of_owl] == [8] * 5
    assert all(a.high <= b.low for a, b in pairwise(of_owl))
    assert sum(one.checks for one in drawn.strata if one.label == "wren") == 30  # all there are
    weights = drawn.checks.groupby("label")["weight"].sum()
    assert weights.to_dict() == pytest.approx({AWKWARD: 400, "wren": 30})
    assert set(strata_of([0.5] * 9).tolist()) == {0}
    assert allocated([0, 2, 100], 10).tolist() == [0, 2, 8]


def test_a_draw_depends_on_the_seed_and_the_class_alone(events, drawn):
    shuffled = events.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(draw_checks(shuffled, 40, seed=1).checks, drawn.checks)
    alone = draw_checks(events[events["label"] == "wren"], 20, seed=1).checks
    both = draw_checks(events, 20, seed=1).checks.query("label == 'wren'")
    assert set(alone["start_s"]) == set(both["start_s"])
    other = draw_checks(events, 40, seed=2).checks
    assert set(other["score"]) != set(drawn.checks["score"])
    assert drawn.checks["label"].head(20).nunique() == 2  # who stops early has all kinds


def test_a_detection_without_a_score_is_one_line(events):
    for score, said in ((np.nan, "score from 0 to 1"), (1.5, "has 1.5")):
        with pytest.raises(ParameterError, match=said):
            draw_checks(events.assign(score=score), 5)
    with pytest.raises(ParameterError, match="no detections"):
        draw_checks(events.head(0), 5)


def filled(drawn: Drawn, folder, *, sep: str = ",", **others: str) -> None:
    """Answer that a detection is right from a score of a half on, or as given by number."""
    folder.mkdir(exist_ok=True)
    write_draw(folder, drawn, {"seed": 1})
    table = pd.read_csv(folder / "checks.csv", dtype=str, keep_default_na=False)
    right = np.where(table["score"].astype(float) >= 0.5, "Yes", "n")
    table["correct"] = [
        others.get(name, by_score) for name, by_score in zip(table["check"], right, strict=True)
    ]
    table["score"] = "changed by a spreadsheet"
    table.sort_values("start_s").to_csv(folder / "checks.csv", index=False, sep=sep)


@pytest.mark.parametrize("sep", [",", ";", "\t"])
def test_answers_are_read_however_the_table_was_saved(drawn, tmp_path, sep):
    filled(drawn, tmp_path / "d", sep=sep, c0001="?", c0002="")
    answers = read_answers(tmp_path / "d")
    assert len(answers) == 430
    given = answers[answers["check"] != ""].set_index("check")["answer"]
    assert (given["c0001"], given["c0002"]) == ("uncertain", "")
    sure = answers[answers["answer"].isin(["yes", "no"])]
    assert ((sure["score"] >= 0.5) == (sure["answer"] == "yes")).all()
    assert read_facts(tmp_path / "d")["strata"][0]["weight"] == 25


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.assign(correct="perhaps not"), "row 2: 'perhaps not' is no answer"),
        (lambda t: t.assign(check="c9"), "row 2: 'c9' is no check"),
        (lambda t: pd.concat([t, t]), "is there twice"),
        (lambda t: t.drop(columns="correct"), "no column correct"),
    ],
)
def test_a_table_that_is_filled_wrongly_is_one_line(drawn, tmp_path, change, said):
    filled(drawn, tmp_path / "d")
    table = pd.read_csv(tmp_path / "d" / "checks.csv", dtype=str, keep_default_na=False)
    change(table).to_csv(tmp_path / "d" / "checks.csv", index=False)
    with pytest.raises(AnnotationError, match=said):
        read_answers(tmp_path / "d")


def test_a_folder_without_a_sample_is_one_line(tmp_path):
    with pytest.raises(StoreError, match="validate draw"):
        read_answers(tmp_path)
    (tmp_path / "draw.json").write_text(json.dumps({"format": 9}))
    with pytest.raises(StoreError, match="format 9"):
        read_facts(tmp_path)


def test_what_the_answers_say(drawn, tmp_path):
    filled(drawn, tmp_path / "d", c0003="uncertain", c0004="")
    classes, lines = checked_classes(read_answers(tmp_path / "d"))
    assert lines == []
    owl, wren = classes
    assert owl.label == AWKWARD
    assert sum(one.count(answer) for one in classes for answer in ("yes", "no")) == 68
    assert owl.waiting + wren.waiting == 1
    threshold = owl.class_threshold(0.9)
    assert 0.35 < threshold.value < 0.6
    assert threshold.source == "checked by ear"
    assert threshold.precision_low < threshold.precision <= threshold.precision_high
    assert owl.class_threshold(0.9, shown=True).value > threshold.value
    wrong, right = (owl if owl.count("uncertain") else wren).bounds(0.0)
    assert wrong.value < right.value
    (row,) = table_of([owl], [0.6])
    assert row["precision"] > 0.9
    assert 0.6 < row["kept"] < 1
    assert table_of([owl], [1.0]) == []
    assert len(precision_figure(classes, precision=0.9).axes) == 2


def test_where_nothing_is_answered_is_one_line(drawn, tmp_path):
    filled(drawn, tmp_path / "d", **{f"c{n:04d}": "" for n in range(1, 71)})
    with pytest.raises(AnnotationError, match="no check has an answer"):
        checked_classes(read_answers(tmp_path / "d"))


def test_more_is_planned_for_less_width_and_no_more_than_there_are(events):
    scores = events.loc[events["label"] == AWKWARD, "score"]
    expected = Expected(0.8, scores=scores, threshold=0.5)
    wide, narrow = (expected.checks_for(width) for width in (0.1, 0.05))
    assert 20 < wide.checks < narrow.checks < 400
    assert wide.above < wide.checks
    assert narrow.half_width <= 0.05
    assert expected.checks_for(0.001).checks > narrow.checks
    assert Expected(0.9).checks_for(0.05).checks == 141  # Wilson's, of a sample without strata
    sure, hopeful = (Expected(guess).checks_to_show(0.9) for guess in (0.99, 0.95))
    assert sure.checks < hopeful.checks
    for wrong, said in (
        (lambda: Expected(1.2), "between 0 and 1"),
        (lambda: Expected(0.8).checks_for(0.7), "between 0 and 0.5"),
        (lambda: Expected(0.8).checks_to_show(0.9), "cannot be shown"),
        (lambda: Expected(0.8, scores=scores, threshold=1), "no detection"),
    ):
        with pytest.raises(ParameterError, match=said):
            wrong()


def test_clips_have_context_as_far_as_the_recording_goes(drawn, tmp_path):
    rate = 1000
    (tmp_path / "night").mkdir()
    for name, length_s in (("0", 300), ("1", 10)):  # the second is cut off, the third not there
        ramp = np.linspace(-0.5, 0.5, rate * length_s)
        sf.write(tmp_path / "night" / f"{name}.wav", ramp, rate, subtype="FLOAT")
    cut = cut_clips(drawn.checks, tmp_path / "clips", recordings=tmp_path, context_s=1.5)
    problems = dict(cut.problems)
    assert problems.keys() == {"night/1.wav", "night/2.wav"}
    assert problems["night/1.wav"].startswith("it is 10 s long and ends before ")
    assert problems["night/2.wav"] == "no such file"
    for name, (_, row) in zip(cut.names, drawn.checks.iterrows(), strict=True):
        if row["file"] == "night/0.wav":
            clip, _ = sf.read(tmp_path / "clips" / name)
            begin = max(0.0, row["start_s"] - 1.5)
            assert len(clip) == round((min(row["end_s"] + 1.5, 300) - begin) * rate)
            assert clip[0] == pytest.approx(begin / 300 - 0.5, abs=1e-3)
    named = with_clips(drawn.checks, cut.names, folder="clips")
    assert (named["clip"] == "").sum() == cut.names.count("")
    lack = write_raven_table(drawn.checks, tmp_path / "raven.txt", recordings=tmp_path)
    assert lack == "night/2.wav: no such file"
    there = drawn.checks[drawn.checks["file"] == "night/0.wav"]
    assert write_raven_table(there, tmp_path / "raven.txt", recordings=tmp_path) is None
    assert "Begin Time (s)" in (tmp_path / "raven.txt").read_text()


@pytest.fixture
def model(tmp_path):
    """A model's folder, whose files DVC has made read-only."""
    made_with = BackboneRecord(name="logmel_stats", options={}, weights_hash="")
    old = {"wren": ClassThreshold(value=0.3, source="validation", n=9)}
    record = TrainedSystem(
        estimator="prototype", backbones=[made_with], classes=["owl", "wren"], thresholds=old
    )
    (tmp_path / "model").mkdir()
    record.write(tmp_path / "model")
    (tmp_path / "model" / "weights").write_bytes(b"w")
    for name in ("weights", "model.json"):
        (tmp_path / "model" / name).chmod(0o444)
    return tmp_path / "model"


def test_a_model_gets_thresholds_in_a_copy(model, tmp_path):
    before = (model / "model.json").read_bytes()
    new = ClassThreshold(value=0.7, source="checked by ear", precision=0.9, n=60)
    copy_with_thresholds(model, tmp_path / "new", {"owl": new})
    assert (model / "model.json").read_bytes() == before
    written = TrainedSystem.read(tmp_path / "new")
    assert written.thresholds["owl"] == new
    assert written.thresholds["wren"].value == 0.3
    assert (tmp_path / "new" / "weights").read_bytes() == b"w"
    with pytest.raises(ParameterError, match="'owll'"):
        copy_with_thresholds(model, tmp_path / "x", {"owll": new})
    for inside in (model, model / "in"):
        with pytest.raises(ParameterError, match="left as it is"):
            copy_with_thresholds(model, inside, {"owl": new})
    with pytest.raises(ParameterError, match="holds something"):
        copy_with_thresholds(model, tmp_path / "new", {"owl": new})
    with pytest.raises(StoreError, match="no model"):
        copy_with_thresholds(tmp_path / "new" / "none", tmp_path / "y", {})
