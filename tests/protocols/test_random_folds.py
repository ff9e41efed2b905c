"""Random folds beside honest ones, and the fixed parts of a study, under fine_tune."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from faunashot.data.corpora.base import TEST, TRAIN, VALIDATION
from faunashot.evaluation import LEAKING, MAIN
from faunashot.evaluation.summary import summarise
from faunashot.pipeline.train import altered_tasks
from faunashot.protocols.base import Outcome
from faunashot.protocols.fine_tune import FineTune
from faunashot.protocols.run import run_protocol
from faunashot.protocols.support.task import Task
from faunashot.systems.catalogue import system

Run = Callable[..., Outcome]


@pytest.fixture
def copied(clips, of_values, task) -> Task:
    """Recordings of noise, four clips of each; labels follow the recording, and folds keep it."""
    found = clips({"cat": 24, "dog": 24, "hen": 24})
    number = np.arange(len(found)) // 4
    found = found.assign(group=[f"g{n}" for n in number], fold=[str(1 + n % 6) for n in number])
    rng = np.random.default_rng(3)
    values = rng.normal(size=(number.max() + 1, 12))[number]
    values += 0.05 * rng.normal(size=values.shape)
    return task(of_values(found, values), system=system("logistic"))


@pytest.fixture
def run(params) -> Run:
    def with_folds(task: Task, folds: str) -> Outcome:
        asked = params(name="fine_tune", folds=folds)
        altered = altered_tasks(asked, task.target.clips, task)
        return run_protocol(task, asked, task.target.spec, altered=altered)

    return with_folds


def test_the_run_is_scored_on_honest_folds_and_the_leak_stands_beside_it(copied, run):
    honest, beside = run(copied, "official"), run(copied, "random")
    parts = dict(list(beside.held_out.groupby("condition")))
    assert parts.keys() == {MAIN, LEAKING}
    pd.testing.assert_frame_equal(parts[MAIN], honest.held_out)
    assert sorted(parts[LEAKING]["clip_id"]) == sorted(parts[MAIN]["clip_id"])
    assert set(parts[LEAKING]["fold"]) == {f"random-{1 + n}" for n in range(6)}
    assert beside.leak is None  # it would say the same
    assert honest.leak is not None
    found = summarise(
        beside.held_out, beside.classes, headline_k=beside.headline_k, n_bootstrap=100
    ).figures
    leaking = found["conditions"][LEAKING]
    assert found["macro_f1"] < 0.5
    assert leaking["macro_f1"] > 0.9
    assert leaking["difference"] == pytest.approx(found["macro_f1"] - leaking["macro_f1"], abs=2e-4)
    assert leaking["difference_high"] < -0.2
    assert leaking["p_value"] < 0.05


def test_what_is_served_is_that_of_honest_folds(copied, run):
    honest, beside = run(copied, "official"), run(copied, "random")
    examples = copied.target.examples(copied.target.clips["clip_id"].tolist())
    np.testing.assert_array_equal(
        *(outcome.estimator.predict_clips(examples) for outcome in (honest, beside))
    )
    assert honest.facts == beside.facts


def test_beside_a_fixed_test_part_the_same_clips_are_scored(clips, task, run):
    found = clips({"cat": 20, "dog": 20})
    found = found.assign(fold=found["fold"].map(lambda fold: TEST if fold == "5" else TRAIN))
    outcome = run(task(found), "random")
    parts = dict(list(outcome.held_out.groupby("condition")))
    assert set(parts[LEAKING]["clip_id"]) == set(parts[MAIN]["clip_id"])
    assert outcome.held_out["k"].nunique() == 1


def test_what_a_published_test_part_is_scored_by_learned_the_training_part_alone(
    clips, task, learned
):
    found = clips({"cat": 30, "dog": 30})
    parts = {"4": VALIDATION, "5": TEST}
    found = found.assign(part=found["fold"].map(lambda fold: parts.get(fold, TRAIN)))
    of_part = {part: set(of) for part, of in found.groupby("part")["clip_id"]}
    outcome = FineTune().run(task(found, system=system("logistic"), folds="published"))
    *scored, served = learned
    assert {frozenset(learn.labelled) for learn in scored} == {frozenset(of_part[TRAIN])}
    assert set(served.labelled) == set(found["clip_id"])
    assert set(outcome.held_out["clip_id"]) == of_part[TEST]
    assert outcome.held_out["labelled_most"].unique() == [18]


def test_the_salience_of_clips_goes_with_their_scores(clips, task, run):
    found = clips({"cat": 20, "dog": 20})
    told = found.assign(salience=["foreground", "background"] * 20)
    outcome = run(task(told), "official")
    of_clip = told.set_index("clip_id")["salience"]
    for table in (outcome.held_out, outcome.windows):
        assert (table["salience"] == table["clip_id"].map(of_clip)).all()
    plain = run(task(found.assign(salience=None)), "official")
    assert "salience" not in plain.held_out
