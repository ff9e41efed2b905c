"""LightGBM on windows: stopped and pooled on validation clips, the same for a seed, no pickle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.examples import Examples
from faunashot.estimators.kinds import estimator_class, make_estimator
from faunashot.estimators.pooling import METHODS, pool
from faunashot.estimators.windows.lightgbm import LightGbm
from faunashot.features.store import Features, FeatureSpec

pytestmark = pytest.mark.lightgbm
NAMES = ("cat", "hen", "owl")
QUICK = {"rounds": 30, "patience": 5, "feature_fraction": 1.0, "min_data_in_leaf": 2}


def clips(n: int, *, seed: int = 0, windows: int = 4, several: bool = False) -> Examples:
    """Clips of three classes, a direction each; where `several`, a clip may be of two."""
    rng = np.random.default_rng(seed)
    of = np.eye(3)[np.arange(n) % 3]
    if several:
        of[::4] = np.maximum(of[::4], np.roll(of[::4], 1, axis=1))
    labels = [";".join(np.array(NAMES)[row > 0]) for row in of]
    values = 3 * np.repeat(of, windows, axis=0) @ np.eye(3, 6)
    values += rng.normal(size=values.shape)
    start = np.tile(np.arange(windows, dtype=float), n)
    ids = np.repeat([f"c{i}" for i in range(n)], windows)
    index = pd.DataFrame({"clip_id": ids, "start_s": start, "end_s": start + 1})
    return Examples(
        clip_ids=tuple(f"c{i}" for i in range(n)),
        labels=np.array(labels),
        groups=np.array([f"g{i}" for i in range(n)]),
        classes=NAMES,
        multi_label=several,
        features=Features(values.astype(np.float32), index, FeatureSpec("x", "", "", 1, 1, 1, 6)),
        rows=np.arange(n * windows),
        counts=np.full(n, windows),
    )


def accuracy(model: LightGbm, examples: Examples) -> float:
    guess = model.predict_clips(examples).argmax(axis=1)
    return float((guess == examples.targets.argmax(axis=1)).mean())


@pytest.mark.parametrize("several", [False, True])
def test_it_learns_stops_and_pools_by_what_suits_the_validation_clips(several):
    train, held, test = (clips(60, seed=seed, several=several) for seed in range(3))
    model = make_estimator("lightgbm", {**QUICK, "rounds": 200}, seed=1).fit(train, validation=held)
    scores = model.predict(test)
    assert scores.classes == NAMES
    assert scores.windows.shape == (240, 3)
    if several:
        assert ((scores.clips > 0.5) == (test.targets > 0)).mean() > 0.9
        assert len(model.boosters_) == 3
    else:
        assert accuracy(model, test) > 0.9
        np.testing.assert_allclose(scores.windows.sum(axis=1), 1)
        np.testing.assert_allclose(scores.clips.sum(axis=1), 1)
    chosen = model.chosen()
    assert chosen["rounds"] < 200
    assert chosen["pooling"] in METHODS
    pooled = pool(scores.windows, test, how=chosen["pooling"])
    np.testing.assert_array_equal(scores.clips, pooled)


def test_a_seed_gives_one_model_on_any_number_of_threads():
    train, test = clips(45), clips(30, seed=1)
    scores = [
        make_estimator("lightgbm", {**QUICK, "num_threads": threads}, seed=seed)
        .fit(train)
        .predict(test)
        .windows
        for threads, seed in ((1, 3), (2, 3), (2, 4))
    ]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[1], scores[2])


def test_without_validation_clips_all_rounds_are_trained_and_the_given_pooling_is_used():
    settled = LightGbm.settled(
        [
            {"settings": {"num_leaves": 4}, "rounds": n, "pooling": how}
            for n, how in ((5, "maximum"), (9, "mean_logit"), (7, "maximum"))
        ]
    )
    assert settled == {"num_leaves": 4, "rounds": 7, "pooling": "maximum"}
    model = make_estimator("lightgbm", QUICK | settled).fit(clips(30))
    assert model.chosen() == {"rounds": 7, "pooling": "maximum"}
    assert make_estimator("lightgbm", QUICK).fit(clips(30)).pooling_ == next(iter(METHODS))


def test_a_clip_of_many_windows_weighs_as_much_as_one_of_few():
    many, few = clips(9, windows=8), clips(9, windows=2, seed=1)
    of_rows = LightGbm(class_weights="none")
    of_rows.classes_ = list(NAMES)
    for examples in (many, few):
        _, weight = of_rows._rows(examples, of_rows._code)
        np.testing.assert_allclose(np.add.reduceat(weight, examples.first), examples.counts[0])
    rare = many.select([0, 3, 6, 1])  # three cats and a hen
    balanced = LightGbm()
    balanced.classes_ = ["cat", "hen"]
    _, weight = balanced._rows(rare, balanced._code)
    by_clip = np.add.reduceat(weight, rare.first)
    assert by_clip[3] == pytest.approx(by_clip[:3].sum())
    _, halved = balanced._rows(replace(rare, clip_weights=np.full(4, 0.5)), balanced._code)
    np.testing.assert_allclose(halved, weight / 2)


@pytest.mark.parametrize("several", [False, True])
def test_it_is_stored_as_text_and_gives_the_same_scores(several, tmp_path):
    train, test = clips(45, several=several), clips(30, seed=1)
    model = make_estimator("lightgbm", QUICK, seed=2).fit(train, validation=test)
    model.save(tmp_path / "model")
    for file in (tmp_path / "model").iterdir():
        file.read_text("utf-8")
    loaded = estimator_class("lightgbm").load(tmp_path / "model")
    for ours, theirs in zip(
        (model.predict(test).windows, model.predict(test).clips),
        (loaded.predict(test).windows, loaded.predict(test).clips),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert loaded.chosen() == model.chosen()


@pytest.mark.parametrize("harm", ["gone", "torn", "no facts", "other format"])
def test_what_is_no_stored_model_is_refused_in_one_line(harm, tmp_path: Path):
    folder = tmp_path / "model"
    make_estimator("lightgbm", QUICK).fit(clips(30)).save(folder)
    if harm == "gone":
        (folder / "model0.txt").unlink()
    elif harm == "torn":
        (folder / "model0.txt").write_text("tree\nversion=v4\n")
    elif harm == "no facts":
        (folder / "lightgbm.json").unlink()
    else:
        (folder / "lightgbm.json").write_text('{"format": 9}')
    with pytest.raises(StoreError) as caught:
        LightGbm.load(folder)
    assert "\n" not in str(caught.value)


def test_a_class_of_the_validation_clips_that_was_not_learned_is_no_harm():
    train = clips(30).select([n for n in range(30) if n % 3])
    model = make_estimator("lightgbm", QUICK).fit(train, validation=clips(30, seed=1))
    assert model.classes_ == ["hen", "owl"]


def test_settings_out_of_range_and_one_class_are_refused():
    with pytest.raises(ParameterError, match=r"head lightgbm\.learning_rate"):
        make_estimator("lightgbm", {"learning_rate": -1})
    with pytest.raises(ParameterError, match=r"head lightgbm\.round'?.*rounds"):
        make_estimator("lightgbm", {"round": 3})
    with pytest.raises(ParameterError, match="did you mean 'maximum'"):
        make_estimator("lightgbm", {"pooling": "maximun"})
    with pytest.raises(ParameterError, match="at least two classes"):
        make_estimator("lightgbm", QUICK).fit(clips(30).select([0, 3, 6]))
