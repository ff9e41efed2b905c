"""Background: what is none of the classes is told from them, though of kinds not met before."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from faunashot.errors import ParameterError
from faunashot.estimators.unknown import Novelty
from faunashot.protocols.run import run_protocol

THREE = {"cat": 20, "hen": 20, "owl": 20}
KINDS = ["rain", "road", "surf", "wind"]


@pytest.fixture(scope="module")
def run(task, clips, of_values, params):
    """The outcome with background that lies `apart` from the classes, all kinds of it alike."""

    @cache
    def make(apart: float, *, kinds: int = 4, also: str = "", name: str = "few_shot", **changes):
        rng = np.random.default_rng(2)
        target = clips(THREE).assign(group=lambda table: table["clip_id"])
        source = clips(dict.fromkeys([*KINDS[:kinds], *filter(None, [also])], 10))
        heard = 4 * np.repeat(np.eye(3, 16), 20, axis=0) + rng.normal(size=(60, 16))
        around = rng.normal(size=(len(source), 16))
        around[:, 8:] += apart
        of_noise = task(
            of_values(target, heard),
            source=of_values(source, around),
            transfer="background",
        )
        asked = params(name=name, k=4, k_values=[1], transfer="background", **changes)
        return run_protocol(of_noise, asked, of_noise.target.spec), of_noise

    return make


@pytest.mark.parametrize("name", ["few_shot", "fine_tune"])
def test_background_that_lies_apart_is_unknown(run, name):
    outcome, _ = run(3.0, name=name)
    unknown = outcome.unknown
    assert list(unknown) == ["clip_id", "group", "score", "correct", "known"]
    assert roc_auc_score(~unknown["known"].astype(bool), unknown["score"]) > 0.97
    passed = unknown.loc[~unknown["known"], "score"] <= 0
    assert passed.mean() < 0.15  # of kinds that the threshold was not set on
    assert unknown.loc[unknown["known"], "correct"].mean() > 0.8
    assert not unknown.loc[~unknown["known"], "correct"].any()


def test_each_rotation_rejects_the_kinds_that_it_has_not_met(run):
    outcome, of_noise = run(3.0)
    label = of_noise.source.clips.set_index("clip_id")["label"]
    unknown = outcome.unknown
    sizes = [len(rotation.tested) + 20 for rotation in outcome.rotations]
    assert len(unknown) == sum(sizes)
    parts = np.split(np.arange(len(unknown)), np.cumsum(sizes)[:-1])
    asked = [set(label[unknown.iloc[p].query("not known")["clip_id"]]) for p in parts]
    assert all(len(kinds) == 2 for kinds in asked)
    assert asked[0] == asked[2] == asked[4]
    assert asked[0] | asked[1] == set(KINDS)
    for part, rotation in zip(parts, outcome.rotations, strict=True):
        rows = unknown.iloc[part].query("known")
        assert rows["clip_id"].tolist() == list(rotation.tested)


def test_what_is_rejected_set_up_neither_detector_nor_threshold(run, monkeypatch):
    met: list[set[str]] = []
    fit = Novelty.fit

    def noted(detector, X, y, *, background, groups):
        met.append(set(groups))
        return fit(detector, X, y, background=background, groups=groups)

    monkeypatch.setattr(Novelty, "fit", noted)
    outcome, of_noise = run(3.0, episodes=2)
    label = of_noise.source.clips.set_index("clip_id")["label"]
    new = outcome.unknown.query("not known")["clip_id"]
    asked = [set(label[new[:20]]), set(label[new[20:]])]
    *of_rotations, served = met
    assert [kinds | of for kinds, of in zip(asked, of_rotations, strict=True)] == [set(KINDS)] * 2
    assert not any(kinds & of for kinds, of in zip(asked, of_rotations, strict=True))
    assert served == set(KINDS)


def test_whether_a_known_clip_is_right_is_what_its_head_said(run):
    outcome, _ = run(3.0)
    rows = outcome.held_out.query("k == 4 and condition == 'main'")
    guess = rows.filter(regex="^p_").idxmax(axis=1).str.removeprefix("p_")
    right = (guess == rows["label"]).groupby(rows["episode"]).sum().tolist()
    known = outcome.unknown[outcome.unknown["known"]]
    by_rotation = np.split(known["correct"].to_numpy(bool), 5)  # twelve clips in each test fold
    assert [part.sum() for part in by_rotation] == right


def test_what_is_served_has_met_every_kind(run):
    outcome, of_noise = run(3.0)
    assert isinstance(outcome.novelty, Novelty)
    assert len(outcome.novelty.background_scores_) == 40
    found = outcome.threshold
    assert found.background == "rain, road, surf, wind"
    assert found.recordings == 40
    ids = of_noise.source.clips["clip_id"].tolist()
    passed = outcome.novelty.score(of_noise.source.means(ids)) <= found.threshold
    assert passed.mean() <= found.false_alarm_rate
    assert np.mean(outcome.novelty.background_scores_ <= found.threshold) <= 0.05


def test_more_false_alarms_allowed_is_a_higher_threshold(run):
    strict, lax = (run(1.0, false_alarm_rate=rate)[0].threshold for rate in (0.05, 0.5))
    assert strict.threshold < lax.threshold


def test_background_changes_no_score_of_the_classes(run, task, params):
    outcome, of_noise = run(3.0)
    alone = task(of_noise.target, system=of_noise.system)
    plain = run_protocol(alone, params(k=4, k_values=[1]), alone.target.spec)
    columns = ["p_cat", "p_hen", "p_owl"]
    np.testing.assert_array_equal(outcome.held_out[columns], plain.held_out[columns])


def test_a_kind_that_is_called_as_a_class_is_no_background(run):
    outcome, of_noise = run(3.0, also="Owl")
    label = of_noise.source.clips.set_index("clip_id")["label"]
    assert "Owl" in set(label)
    assert outcome.threshold.background == "rain, road, surf, wind"
    assert outcome.threshold.recordings == len(outcome.novelty.background_scores_) == 40
    assert set(label[outcome.unknown.query("not known")["clip_id"]]) == set(KINDS)


def test_too_few_kinds_of_background_are_refused(run):
    with pytest.raises(ParameterError, match="needs a source corpus of four kinds"):
        run(3.0, kinds=3)


def test_background_wants_a_head_on_clips(run):
    with pytest.raises(ParameterError, match="a system that learns from clips under few_shot or"):
        run(3.0, name="zero_shot", mode="assignment")
