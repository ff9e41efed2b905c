"""Ensembles: members of every kind, weights by the validation clips, stored without pickle."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from windowed import windowed

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import TrainingContext, columns
from faunashot.estimators.examples import Examples
from faunashot.estimators.kinds import make_estimator, stored_class
from faunashot.estimators.pooling import log_loss
from faunashot.estimators.windows.ensemble import Ensemble, Member, simplex_weights
from faunashot.systems.catalogue import System, system, systems

NAMES = np.array(["cat", "hen", "owl"])
QUICK = ("logistic", "standardised", "logistic-windows")


def clips(n: int = 30, *, seed: int = 0, several: bool = False) -> Examples:
    """Clips of two windows each, a direction a class; where `several`, some are of two classes."""
    rng = np.random.default_rng(seed)
    of = np.eye(3)[np.arange(n) % 3]
    if several:
        of[::4] = np.maximum(of[::4], np.roll(of[::4], 1, axis=1))
    values = 2 * np.repeat(of, 2, axis=0) @ np.eye(3, 8) + rng.normal(size=(2 * n, 8))
    labels = [";".join(NAMES[row > 0]) for row in of]
    return windowed(values.astype(np.float32), labels, counts=[2] * n, multi_label=several)


def together(*members: str, **settings: object) -> Ensemble:
    """The ensemble of systems that are there already."""
    made = System("both", "ensemble", members=members or QUICK).estimator(seed=1, **settings)
    assert isinstance(made, Ensemble)
    return made


@pytest.mark.parametrize("several", [False, True])
def test_scores_are_the_members_own_by_weights_that_sum_to_one(several: bool) -> None:
    train, held, test = (clips(seed=seed, several=several) for seed in range(3))
    members = ("logistic", "logistic-windows")
    model = together(*members).fit(train, validation=held)
    assert model.weights_.sum() == pytest.approx(1)
    found = model.predict(test)
    each = [
        system(name).estimator(seed=1, **model.settings_[name]).fit(train).predict(test)
        for name in members
    ]
    for level in ("windows", "clips"):
        own = [columns(getattr(of, level), of.classes, found.classes) for of in each]
        np.testing.assert_allclose(
            getattr(found, level), np.tensordot(model.weights_, own, 1), atol=1e-9
        )
    np.testing.assert_allclose(model.predict_clips(test), found.clips, atol=1e-9)
    if several:
        assert ((found.clips > 0.5) == (test.targets > 0)).mean() > 0.85
    else:
        np.testing.assert_allclose(found.clips.sum(axis=1), 1)
        assert (found.clips.argmax(axis=1) == test.targets.argmax(axis=1)).mean() > 0.8


@pytest.mark.parametrize("several", [False, True])
def test_it_is_no_worse_on_the_validation_clips_than_its_best_member(several: bool) -> None:
    train, held = clips(several=several), clips(seed=1, several=several)
    model = together(prior=0.0).fit(train, validation=held)

    def loss(scores: np.ndarray) -> float:
        return log_loss(scores, held.targets, multi_label=several)

    alone = [loss(of.predict_clips(held)) for of in model.fitted_.values()]
    assert loss(model.predict_clips(held)) <= min(alone) + 1e-5


def test_a_member_that_knows_nothing_gets_no_weight_but_that_of_the_prior() -> None:
    train, held = clips(60), clips(60, seed=1)
    mixed = np.random.default_rng(0).permutation(len(train))
    wrong = replace(train, labels=train.labels[mixed])

    def make(name: str, examples: Examples, **settings: object) -> Relabelled:
        return Relabelled(name, examples)

    named = {"right": train, "wrong": wrong}
    members = [Member(n, partial(make, "logistic", of)) for n, of in named.items()]
    bare = Ensemble(members=members, prior=0.0).fit(train, validation=held)
    assert bare.chosen()["weights"] == {"right": 1.0, "wrong": 0.0}
    prior = Ensemble(members=members, prior=1000.0).fit(train, validation=held)
    np.testing.assert_allclose(prior.weights_, 0.5, atol=0.02)


class Relabelled:
    """A head that learns examples of its own, whatever it is given."""

    KIND = "head"

    def __init__(self, name: str, examples: Examples) -> None:
        self.model, self.examples = system(name).estimator(seed=0), examples

    def fit(self, train: Examples, **given: object) -> Relabelled:
        self.model.fit(self.examples)
        self.classes_, self.predict_clips = self.model.classes_, self.model.predict_clips
        return self

    def chosen(self) -> dict[str, object]:
        return {}


@given(hnp.arrays(np.float64, (3, 7), elements=st.floats(0.01, 1)))
def test_no_other_weights_are_likelier(likelihoods: np.ndarray) -> None:
    weights = simplex_weights(likelihoods)
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    best = np.log(weights @ likelihoods).sum()
    for other in np.random.default_rng(0).dirichlet(np.ones(3), 50):
        assert np.log(other @ likelihoods).sum() <= best + 1e-3


def test_settings_of_members_are_those_that_suit_the_validation_clips() -> None:
    grid = {"C": [1e-6, 30.0]}  # the first hardly learns
    member = Member("logistic", partial(system("logistic").estimator, seed=0), grid)
    other = Member("rectified", partial(system("rectified").estimator, seed=0))
    model = Ensemble(members=[member, other]).fit(clips(), validation=clips(seed=1))
    assert model.chosen()["members"]["logistic"]["settings"] == {"C": 30.0}


def test_what_is_served_has_the_settled_weights_and_settings_and_learns_all_clips() -> None:
    chosen = [
        {"settings": {}, **together().fit(clips(seed=n), validation=clips(seed=n + 9)).chosen()}
        for n in range(3)
    ]
    settled = Ensemble.settled(chosen)
    assert settled is not None
    served = together(**settled).fit(clips(60))
    for name, weight in served.chosen()["weights"].items():
        assert weight == pytest.approx(np.mean([of["weights"][name] for of in chosen]), abs=1e-3)
    values = [of["members"]["standardised"]["settings"]["C"] for of in chosen]
    assert max(values, key=values.count) == served.fitted_["standardised"].classifier.C


def test_without_validation_clips_members_weigh_the_same_with_their_systems_settings() -> None:
    model = together("logistic", "standardised").fit(clips())
    assert model.chosen()["weights"] == {"logistic": 0.5, "standardised": 0.5}
    assert systems()["standardised"].settings["C"] == model.fitted_["standardised"].classifier.C


@pytest.mark.lightgbm
@pytest.mark.parametrize("several", [False, True])
def test_it_is_stored_without_pickle_and_gives_the_same_scores(
    several: bool, tmp_path: Path
) -> None:
    model = together("logistic", "logistic-windows", "lightgbm")
    assert model.packages == ("lightgbm",)
    model.fit(clips(several=several), validation=clips(seed=1, several=several))
    model.save(tmp_path / "model")
    kept = [f.suffix for f in (tmp_path / "model").rglob("*") if f.is_file()]
    assert {*kept} <= {".json", ".skops", ".txt"}
    loaded, test = stored_class("ensemble").load(tmp_path / "model"), clips(seed=2, several=several)
    ours, theirs = model.predict(test), loaded.predict(test)
    assert ours.classes == theirs.classes
    np.testing.assert_array_equal(ours.windows, theirs.windows)
    np.testing.assert_array_equal(ours.clips, theirs.clips)
    assert loaded.chosen() == model.chosen()


@pytest.mark.parametrize("harm", ["gone", "torn", "member", "other format"])
def test_what_is_no_stored_ensemble_is_refused_in_one_line(harm: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    together().fit(clips()).save(folder)
    if harm == "member":
        (folder / "1" / "head.skops").unlink()
    elif harm == "gone":
        (folder / "ensemble.json").unlink()
    else:
        text = '{"format": 9}' if harm == "other format" else '{"format": 1}'
        (folder / "ensemble.json").write_text(text)
    with pytest.raises(StoreError) as caught:
        Ensemble.load(folder)
    assert "\n" not in str(caught.value)


def test_a_class_of_the_validation_clips_that_was_not_learned_is_no_harm() -> None:
    train = clips().select([n for n in range(30) if n % 3])
    model = together().fit(train, validation=clips(seed=1))
    assert model.classes_ == ["hen", "owl"]
    assert model.predict(clips(seed=2)).clips.shape == (30, 2)


def test_a_network_that_is_a_member_has_a_checkpoint_of_its_own(tmp_path: Path) -> None:
    found = []

    def fit(train: Examples, *, context: TrainingContext, **given: object) -> None:
        found.append(context.checkpoint)
        raise InterruptedError

    model = together()
    fake = type("Fake", (), {"fit": staticmethod(fit)})
    model.members = (Member("net", lambda: fake), *model.members)
    context = TrainingContext(checkpoint=tmp_path / "1.npz")
    with pytest.raises(InterruptedError):
        model.fit(clips(), context=context)
    assert found == [tmp_path / "1-net-0.npz"]


def test_bad_ensembles_are_refused_in_one_line() -> None:
    with pytest.raises(ParameterError, match="needs two systems or more as its members"):
        make_estimator("ensemble").fit(clips())
    with pytest.raises(ParameterError, match=r"ensemble\.weights.*did you mean 'logistic'"):
        together(weights={"logistik": 1.0})
    with pytest.raises(ParameterError, match=r"head ensemble\.prior"):
        together(prior=-1)
    with pytest.raises(ParameterError, match="one has to count"):
        together(weights={"logistic": 0.0})
    of_one = System("both", "ensemble", members=("logistic", "panns-cnn14"))
    with pytest.raises(ParameterError, match="panns-cnn14 is for backbone=panns_cnn14, not yamnet"):
        of_one.refuse("yamnet")


@pytest.mark.parametrize("name", [n for n, of in systems().items() if of.members])
def test_members_of_a_system_are_systems_that_read_the_same_features(name: str) -> None:
    for member in systems()[name].members:
        assert system(member).features == systems()[name].features
        assert not system(member).members
