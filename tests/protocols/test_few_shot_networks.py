"""few_shot for networks: one for each draw of a head's clips, some of which are held back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nearest import Nearest
from sklearn.metrics import f1_score

from faunashot.errors import ParameterError, SplitError
from faunashot.estimators.calibration import fit_temperature, temper
from faunashot.estimators.windows import from_scratch
from faunashot.params import Params
from faunashot.protocols import few_shot
from faunashot.protocols.base import Outcome, protocol_of
from faunashot.protocols.few_shot import FINAL
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task, Training
from faunashot.systems.catalogue import system
from faunashot.systems.record import Temperature

THREE = {"cat": 20, "hen": 20, "owl": 20}
CURVE = {"k": 5, "k_values": [1, 4, 12], "episodes": 5}
NOISE = np.ones((1, 3), np.float32)
COLUMNS = ["p_cat", "p_hen", "p_owl"]


def run_few_shot(task: Task, params: Params) -> Outcome:
    """Run the protocol."""
    return protocol_of(params).run(task)


def named(fit: dict[str, Any]) -> tuple[int, int]:
    """Episode and k that a fit's checkpoint is named by."""
    episode, k = fit["checkpoint"].stem.split("-k")
    return int(episode), int(k)


NetworkTask = Callable[..., Task]


@pytest.fixture(scope="module")
def network_task(task, clips, table, tmp_path_factory) -> NetworkTask:
    """Makes a task of a network that is trained from scratch."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def make(per_class: dict[str, int] | pd.DataFrame = THREE, **more: Any) -> Task:
        of = clips(per_class) if isinstance(per_class, dict) else per_class
        target = table(of, apart=3.0)
        spec = replace(target.spec, backbone="logmel_frames")
        frames = WindowTable(target.clips, replace(target.features, spec=spec))
        training = Training(None, folder, noise=lambda: NOISE)
        settings = {"system": system("cnn1d"), "training": training, **more}
        return task(frames, **settings)

    return make


@pytest.fixture(autouse=True, scope="module")
def _nearest_for_networks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(from_scratch, "FromScratch", Nearest.standing_for(from_scratch))
        Nearest.fits.clear()
        yield


@pytest.fixture(scope="module")
def run(network_task: NetworkTask, params) -> tuple[Task, Outcome, list[dict[str, Any]]]:
    """A task, its outcome, and what each network was told."""
    Nearest.fits.clear()
    of_network = network_task()
    outcome = run_few_shot(of_network, params(**CURVE))
    return of_network, outcome, list(Nearest.fits)


def test_a_network_is_trained_for_each_draw_and_k_and_one_to_be_served(run) -> None:
    of_network, outcome, fits = run
    trained = [(named(fit)[1], named(fit)[0]) for fit in fits]
    assert trained == [*((k, e) for k in (5, 12) for e in range(5)), (5, FINAL)]
    assert outcome.headline_k == 5
    found = outcome.held_out.groupby(["k", "episode"])["fold"].unique()
    assert found.index.tolist() == [(k, e) for k in (5, 12) for e in range(5)]
    assert [fold for (fold,) in found] == [str(1 + e) for e in range(5)] * 2
    for fit in fits:
        assert fit["noise"] is NOISE
        assert fit["settings"] == {**of_network.system.settings, "seed": of_network.seed}
    assert outcome.estimator is fits[-1]["network"]


def test_a_smaller_k_of_the_curve_is_left_out_and_noted(run) -> None:
    _, outcome, _ = run
    assert sorted(outcome.held_out["k"].unique()) == [5, 12]
    assert outcome.notes == [
        "k = 1 is left out: cnn1d needs 5 clips a class",
        "k = 4 is left out: cnn1d needs 5 clips a class",
    ]


def test_supports_are_those_that_heads_draw(run, task, params) -> None:
    """Whichever of the two the headline k is; those of the served one, too."""
    of_network, _, fits = run
    head = task(of_network.target)
    for k in (5, 12):
        drawn = run_few_shot(head, params(**CURVE | {"k": k, "k_values": [1, 4, 5, 12]}))
        of_heads = {rotation.episode: set(rotation.learned) for rotation in drawn.rotations}
        of_networks = {
            named(fit)[0]: fit["learned"] | fit["held"] for fit in fits if named(fit)[1] == k
        }
        final = of_networks.pop(FINAL, set(drawn.learned_from))
        assert of_networks == of_heads
        assert final == set(drawn.learned_from)
    label = of_network.target.clips.set_index("clip_id")["label"]
    for fit in fits:
        counts = label[list(fit["learned"] | fit["held"])].value_counts()
        assert counts.to_dict() == {
            "cat": named(fit)[1],
            "hen": named(fit)[1],
            "owl": named(fit)[1],
        }


def test_no_group_is_on_two_sides_of_what_is_learned_held_back_and_tested(run) -> None:
    of_network, outcome, fits = run
    group = of_network.target.clips.set_index("clip_id")["group"]
    tested = outcome.held_out.groupby(["k", "episode"])["clip_id"].agg(set)
    for fit in fits:
        test = tested.get((named(fit)[1], named(fit)[0]), set())
        assert test or named(fit)[0] == FINAL
        learned, held, scored = (
            set(group[list(ids)]) for ids in (fit["learned"], fit["held"], test)
        )
        assert learned
        assert held
        assert not learned & held
        assert not scored & (learned | held)
        assert len(fit["held"]) == pytest.approx(3 * named(fit)[1] / 5, abs=1.5)


def test_every_clip_of_the_test_fold_is_scored_in_each_episode(run) -> None:
    of_network, outcome, _ = run
    clips = of_network.target.clips
    for (_, episode), rows in outcome.held_out.groupby(["k", "episode"]):
        expected = clips.loc[clips["fold"] == str(1 + episode), "clip_id"]
        assert sorted(rows["clip_id"]) == sorted(expected)
    assert set(outcome.windows["k"]) == {5}
    assert (outcome.windows.groupby(["episode", "clip_id"]).size() == 2).all()
    guess = outcome.held_out[COLUMNS].idxmax(axis=1).str.removeprefix("p_")
    assert f1_score(outcome.held_out["label"], guess, average="macro") > 0.8


def temperature_of(task: Task, fit: dict[str, Any]) -> float:
    """That suits the clips that were held back, by hand."""
    target, ids = task.target, sorted(fit["held"])
    windows = fit["network"].predict_proba(target.examples(ids).windows())
    pooled = windows.reshape(len(ids), 2, -1).mean(axis=1)
    truth = np.searchsorted(target.classes, target.labels(ids))
    return fit_temperature(pooled, np.arange(len(ids)), weight=np.ones(len(ids)), truth=truth)


def test_clips_are_pooled_and_tempered_by_what_was_held_back(run) -> None:
    of_network, outcome, fits = run
    assert (outcome.estimator.level, outcome.rotations) == ("window", [])
    by_run = outcome.held_out.groupby(["k", "episode"])["temperature"]
    assert (by_run.nunique() == 1).all()
    for fit in fits[:-1]:
        found = by_run.first()[named(fit)[1], named(fit)[0]]
        assert found == pytest.approx(temperature_of(of_network, fit), rel=1e-4)
    assert by_run.first().nunique() > 5
    served = fits[-1]
    assert outcome.temperature.value == pytest.approx(temperature_of(of_network, served))
    assert outcome.temperature.clips == len(served["held"]) == 3
    pooled = outcome.windows.groupby(["episode", "clip_id"])[COLUMNS].mean()
    at_k = outcome.held_out[outcome.held_out["k"] == 5]
    for episode, rows in at_k.groupby("episode"):
        own = pooled.loc[[(episode, i) for i in rows["clip_id"]]]
        expected = temper(own.to_numpy(), rows["temperature"].iloc[0])
        np.testing.assert_allclose(rows[COLUMNS], expected, err_msg=str(episode))


def test_the_clips_that_the_served_network_learned_from_are_named(run) -> None:
    _, outcome, fits = run
    assert set(outcome.learned_from) == fits[-1]["learned"] | fits[-1]["held"]
    assert len(outcome.learned_from) == 15
    assert (outcome.facts["episodes"], outcome.facts["test_folds"]) == (5, 5)


def test_other_conditions_are_scored_by_the_networks_of_the_plain_ones(
    network_task: NetworkTask, params
) -> None:
    Nearest.fits.clear()
    plain = network_task()
    louder = WindowTable(
        plain.target.clips,
        replace(plain.target.features, windows=plain.target.features.windows + np.float32(0.5)),
    )
    outcome = run_few_shot(
        replace(plain, test_conditions={"same": plain.target, "louder": louder}), params(**CURVE)
    )
    assert len(Nearest.fits) == 2 * 5 + 1
    pd.testing.assert_frame_equal(outcome.test_conditions["same"], outcome.held_out)
    louder = outcome.test_conditions["louder"]
    assert not np.allclose(louder[COLUMNS], outcome.held_out[COLUMNS])
    facts = ["k", "episode", "fold", "clip_id", "temperature"]
    pd.testing.assert_frame_equal(louder[facts], outcome.held_out[facts])


@pytest.mark.parametrize("k", [1, 4])
def test_too_few_labelled_clips_are_refused_before_anything_is_trained(
    network_task: NetworkTask, params, k: int
) -> None:
    Nearest.fits.clear()
    with pytest.raises(ParameterError) as caught:
        run_few_shot(network_task(), params(k=k, k_values=[10]))
    assert str(caught.value) == (f"protocol.k: {k}; cnn1d needs 5 labelled clips a class or more")
    assert Nearest.fits == []


@pytest.mark.parametrize("transfer", ["joint", "sequential"])
def test_a_source_corpus_is_refused(network_task: NetworkTask, table, clips, params, transfer):
    source = table(clips({"rain": 10, "wind": 10}), apart=6.0, seed=9)
    with pytest.raises(
        ParameterError, match=r"source: cnn1d learns from .* alone; set source=none"
    ):
        run_few_shot(network_task(source=source, transfer=transfer), params(**CURVE))


def test_classes_that_cannot_be_learned_are_refused(network_task: NetworkTask, clips, params):
    with pytest.raises(ParameterError, match=r"cnn1d needs 5 .* class owl has 3 to learn from"):
        run_few_shot(network_task({"cat": 20, "owl": 4}), params(**CURVE))
    alone = clips({"cat": 20, "owl": 30})
    alone = alone[(alone["label"] != "owl") | (alone["fold"] == "3")]
    with pytest.raises(SplitError, match="fold 3: class owl is absent"):
        run_few_shot(network_task(alone), params(**CURVE))


def test_features_that_it_does_not_read_are_refused(network_task: NetworkTask, params, clips, task):
    of_network = network_task()
    with pytest.raises(ParameterError, match="is for backbone=logmel_frames, not fake"):
        run_few_shot(replace(of_network, target=task(clips(THREE)).target), params(**CURVE))


def test_without_a_clip_to_hold_back_nothing_is_tempered(
    network_task: NetworkTask, params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_held(clips: pd.DataFrame, *, seed: int) -> tuple[list[str], list[str]]:
        return list(clips["clip_id"]), []

    monkeypatch.setattr(few_shot, "held_back", none_held)
    outcome = run_few_shot(network_task(), params(**CURVE))
    assert set(outcome.held_out["temperature"]) == {1.0}
    assert outcome.temperature == Temperature(value=1.0, clips=0)


def test_checkpoints_are_named_by_episode_and_k(network_task: NetworkTask, params) -> None:
    """So that no training takes up another's."""
    files: list[Path] = []
    told = network_task()
    training = replace(told.training, on_epoch=lambda name, facts: files.append(Path(name)))
    run_few_shot(replace(told, training=training), params(**CURVE))
    assert len(files) == len(set(files)) == 11
