"""run_protocol: the run itself beside the same clips under other conditions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ears import Ears

from faunashot.conditions.equalised import Equalised
from faunashot.conditions.target_only import TargetOnly
from faunashot.data.splits import Splits
from faunashot.errors import SplitError, StoreError
from faunashot.evaluation import MAIN
from faunashot.evaluation.summary import summarise
from faunashot.features.extractors import of_layer
from faunashot.features.spec import FeatureSpec
from faunashot.params import Params
from faunashot.pipeline.train import altered_tasks
from faunashot.protocols import run as run_module
from faunashot.protocols.base import Outcome
from faunashot.protocols.run import run_protocol
from faunashot.protocols.support.task import Task
from faunashot.systems.catalogue import system

TWO = {"cat": 20, "dog": 20}
SCENES = {"rain": 20, "wind": 20}
EQUALISED, TARGET_ONLY = Equalised.name, TargetOnly.name


def run(task: Task, params: Params, **altered: Task) -> Outcome:
    """Run the protocol under every condition that the train stage asks for, and those given."""
    asked = altered_tasks(params, task.target.clips, task)
    return run_protocol(task, params, task.target.spec, altered={**asked, **altered})


def apart(clips: pd.DataFrame) -> pd.DataFrame:
    """The clips, each a recording of its own."""
    return clips.assign(group=clips["clip_id"])


def worth(outcome: Outcome) -> pd.Series:
    """What the run gains over the target alone, with the interval of the paired difference."""
    found = summarise(
        outcome.held_out,
        outcome.classes,
        headline_k=outcome.headline_k,
        windows=outcome.windows,
        n_bootstrap=100,
    )
    return found.conditions.set_index(["condition", "k"]).loc[(TARGET_ONLY, outcome.headline_k)]


@pytest.fixture
def scenes(clips, of_values):
    """Cats and dogs, less unlike than the weathers that they are heard in; those, or noise."""

    def make(*, useful: bool) -> dict:
        rng = np.random.default_rng(2)
        weathers = [sign * 4 * axis for axis in np.eye(8)[2:5] for sign in (1, -1)]
        target = apart(clips(TWO))
        source = apart(clips({f"weather {n}": 20 for n in range(6)}))
        heard = rng.normal(size=(40, 8)) + 4 * np.repeat(np.eye(2, 8), 20, axis=0)
        heard[:, 2:5] += rng.choice([-4, 4], (40, 3))
        around = rng.normal(size=(120, 8)) + useful * np.repeat(weathers, 20, axis=0)
        return {"target": of_values(target, heard), "source": of_values(source, around)}

    return make


@pytest.mark.parametrize(("useful", "gains"), [(False, False), (True, True)])
def test_a_source_is_worth_what_it_tells(useful, gains, scenes, task, params):
    """Who knows wind does not take it for the dog; random features tell nothing."""
    of_scenes = task(**scenes(useful=useful), system=system("logistic"))
    drawn = params(k_values=[], episodes=30, source_clips=10)
    found = worth(run(of_scenes, drawn))
    assert (found["difference_draws_low"] > 0) == gains
    assert found["difference_low"] < found["difference_draws_low"]
    assert found["difference_high"] > 0


def test_what_was_learned_before_is_worth_what_it_tells(clips, of_values, task, params):
    """Sixty-four dimensions of which a source tells the three that matter, or none."""
    rng = np.random.default_rng(1)
    target, source = apart(clips({**TWO, "hen": 20})), clips({**SCENES, "wave": 20})
    axes = np.repeat(np.eye(3, 64), 20, axis=0)
    heard = of_values(target, 3 * axes + rng.normal(size=(60, 64)))
    found = []
    for far in (3, 0):
        around = of_values(source, far * axes + rng.normal(size=(60, 64)))
        sequential = task(heard, source=around, system=system("logistic"), transfer="sequential")
        drawn = params(k=1, k_values=[], episodes=20, transfer="sequential")
        found.append(worth(run(sequential, drawn)))
    useful, random = found
    assert useful["difference_low"] > 0
    assert random["difference_low"] <= 0 <= random["difference_high"]


def test_without_a_source_there_is_the_run_itself_alone(task, clips, params):
    outcome = run(task(clips(TWO)), params())
    assert outcome.held_out["condition"].unique().tolist() == [MAIN]
    assert outcome.unknown is None
    assert outcome.novelty is None


def test_the_target_alone_is_what_a_run_without_source_scores(task, clips, table, params):
    source = table(clips(SCENES), apart=-6.0, seed=9)
    both, alone = task(clips(TWO), source=source), task(clips(TWO))
    of_both, of_alone = (run(t, params()) for t in (both, alone))
    columns = of_alone.held_out.columns.drop("condition")
    target_only = of_both.held_out.query("condition == @TARGET_ONLY")[columns]
    pd.testing.assert_frame_equal(target_only, of_alone.held_out[columns])
    main = of_both.held_out.query("condition == @MAIN")
    key = ["k", "episode", "fold", "clip_id"]
    pd.testing.assert_frame_equal(
        main[key].reset_index(drop=True), target_only[key].reset_index(drop=True)
    )
    assert of_both.estimator.classes_.tolist() == ["cat", "dog", "rain", "wind"]
    assert set(of_both.windows.filter(regex="^p_")) == {"p_cat", "p_dog"}


@pytest.mark.parametrize("name", ["few_shot", "fine_tune"])
def test_equalised_features_are_scored_on_the_same_clips(name, task, clips, table, params):
    """The recorder is all that tells the classes, and it is hidden in the equalised features."""
    recorded, equalised = (task(table(clips(TWO), apart=apart)) for apart in (6.0, 0.0))
    outcome = run(recorded, params(name=name), equalised=equalised)
    by_condition = dict(list(outcome.held_out.groupby("condition")))
    assert set(by_condition) == {MAIN, EQUALISED}
    accuracy = {
        n: (rows[["p_cat", "p_dog"]].idxmax(axis=1) == "p_" + rows["label"]).mean()
        for n, rows in by_condition.items()
    }
    assert accuracy[MAIN] > 0.95
    assert accuracy[EQUALISED] < 0.7
    key = ["k", "episode", "fold", "clip_id"]
    pd.testing.assert_frame_equal(
        *(rows[key].reset_index(drop=True) for rows in by_condition.values())
    )
    plain = run(recorded, params(name=name))
    clips = recorded.target.examples(["cat0", "dog3"])
    np.testing.assert_array_equal(  # what is served has learned from recordings as they are
        outcome.estimator.predict_clips(clips), plain.estimator.predict_clips(clips)
    )


def test_fine_tune_has_no_run_of_the_target_alone(task, clips, table, params):
    source = table(clips(SCENES), apart=6.0, seed=9)
    of_source = task(clips(TWO), source=source, transfer="sequential")
    tuned = params(name="fine_tune", transfer="sequential")
    outcome = run(of_source, tuned)
    assert outcome.held_out["condition"].unique().tolist() == [MAIN]


def test_heads_come_with_what_a_leak_would_be_worth(task, clips, params):
    alone = task(clips(TWO))
    assert run(alone, params()).leak is not None
    source = replace(alone, source=task(clips(SCENES)).target)
    zero_shot = params(name="zero_shot", mode="assignment")
    assert run(source, zero_shot).leak is None


@pytest.mark.parametrize("name", ["few_shot", "fine_tune"])
def test_a_split_with_a_planted_leak_is_refused(name, task, clips, params, monkeypatch):
    """A copy of a clip that is scored is slipped among those that are learned from."""
    copied = clips(TWO)
    copied.loc[copied["clip_id"] == "cat3", "group"] = "cat-0-0"
    alone = task(copied)
    run(alone, params(name=name))
    monkeypatch.setattr(Splits, "_without", lambda splits, ids, tested: list(ids))
    with pytest.raises(SplitError, match=r"leak: clips of cat-0-0 sit on both sides of a split"):
        run(alone, params(name=name))


def test_ontology_wants_the_backbone_that_made_the_features(task, clips, params, monkeypatch):
    ears = Ears()
    monkeypatch.setattr(run_module, "load", lambda name, **options: ears)
    alone, asked = task(clips(TWO)), params(name="zero_shot")
    spec = FeatureSpec.of(of_layer(ears))
    outcome = run_protocol(alone, asked, spec)
    assert outcome.estimator.reads_class_scores
    assert outcome.facts["unmapped"] == []
    assert outcome.held_out["condition"].unique().tolist() == [MAIN]
    for other in (replace(spec, weights_hash="0" * 64), replace(spec, layer="other")):
        with pytest.raises(StoreError, match=r"features are stale: of ears 1 .*, not of ears"):
            run_protocol(alone, asked, other)
